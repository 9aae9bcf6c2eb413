package towerrpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/towerpb"
)

// toStatus is the one place where an error leaves the core. What a user may
// know rides in the details; an error without a cause shows nothing of itself.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return status.FromContextError(err).Err()
	}
	e := teos.AsError(err)
	if errors.Is(err, tower.ErrStore) {
		e = teos.Errorf(teos.Unavailable, "the tower can't use its store now: try again in a minute")
	}
	s, detailErr := status.New(grpcCode(e.Cause), e.Text).WithDetails(&towerpb.Failure{
		Cause: uint32(e.Cause), Dialect: dialectToPB(e.Dialect), Text: e.Text,
	})
	if detailErr != nil {
		return status.Error(codes.Internal, "error without details")
	}
	return s.Err()
}

// grpcCode is for those who read the status alone (logs, interceptors).
func grpcCode(c teos.Cause) codes.Code {
	switch c {
	case teos.AuthenticationFailed, teos.NoSlots, teos.SubscriptionOver:
		return codes.Unauthenticated
	case teos.AlreadyTriggered:
		return codes.AlreadyExists
	case teos.NotFound:
		return codes.NotFound
	case teos.RegistrationRefused, teos.TooMany:
		return codes.ResourceExhausted
	case teos.Unavailable:
		return codes.Unavailable
	case teos.Internal:
		return codes.Internal
	default:
		return codes.InvalidArgument
	}
}

// fromStatus undoes toStatus. A failure of the transport, or a core that did
// not answer in time, is teos.Unavailable.
func fromStatus(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	for _, d := range s.Details() {
		if f, ok := d.(*towerpb.Failure); ok {
			return &teos.Error{
				Cause: causeFromPB(f.GetCause()), Text: f.GetText(), Dialect: dialectFromPB(f.GetDialect()),
			}
		}
	}
	return teos.Errorf(teos.Unavailable, "the tower does not answer now: try again in a minute")
}

func causeFromPB(c uint32) teos.Cause {
	if c == 0 || c > uint32(teos.WrongMethod) {
		return teos.Internal
	}
	return teos.Cause(c)
}

func dialectToPB(d teos.Dialect) towerpb.Dialect {
	switch d {
	case teos.V1:
		return towerpb.Dialect_DIALECT_V1
	case teos.V2:
		return towerpb.Dialect_DIALECT_V2
	default:
		return towerpb.Dialect_DIALECT_UNSPECIFIED
	}
}

func dialectFromPB(d towerpb.Dialect) teos.Dialect {
	switch d {
	case towerpb.Dialect_DIALECT_V1:
		return teos.V1
	case towerpb.Dialect_DIALECT_V2:
		return teos.V2
	default:
		return 0
	}
}
