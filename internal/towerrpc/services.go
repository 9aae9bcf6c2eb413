package towerrpc

import (
	"context"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/towerpb"
)

// towerService serves users. It inspects every request again: who is at the
// other end of a socket is not known for sure.
type towerService struct {
	towerpb.UnimplementedTowerServiceServer
	core  Core
	check *inspector.Inspector
}

func (s *towerService) Register(ctx context.Context, in *towerpb.RegisterRequest) (*towerpb.RegisterResponse, error) {
	r, err := s.check.RegisterOf(in.GetUserId(), dialectFromPB(in.GetDialect()))
	if err != nil {
		return nil, err
	}
	r = r.From(in.GetToken(), in.GetAddress())
	if in.GetTrusted() {
		r = r.ByOperator()
	}
	out, err := s.core.Register(ctx, r)
	if err != nil {
		return nil, err
	}
	return registrationToPB(out), nil
}

func (s *towerService) AddAppointment(ctx context.Context, in *towerpb.AddAppointmentRequest) (*towerpb.AddAppointmentResponse, error) {
	a := in.GetAppointment()
	r, err := s.check.AddAppointmentOf(a.GetLocator(), a.GetEncryptedBlob(), a.GetToSelfDelay(), in.GetSignature())
	if err != nil {
		return nil, err
	}
	out, err := s.core.AddAppointment(ctx, r)
	if err != nil {
		return nil, err
	}
	return acceptanceToPB(out), nil
}

func (s *towerService) GetAppointment(ctx context.Context, in *towerpb.GetAppointmentRequest) (*towerpb.GetAppointmentResponse, error) {
	r, err := s.check.GetAppointmentOf(in.GetLocator(), in.GetWritten(), in.GetSignature())
	if err != nil {
		return nil, err
	}
	out, err := s.core.GetAppointment(ctx, r)
	if err != nil {
		return nil, err
	}
	return watchedToPB(out), nil
}

func (s *towerService) DeleteAppointment(ctx context.Context, in *towerpb.DeleteAppointmentRequest) (*towerpb.DeleteAppointmentResponse, error) {
	r, err := s.check.DeleteAppointmentOf(in.GetLocator(), in.GetWritten(), in.GetSignature())
	if err != nil {
		return nil, err
	}
	out, err := s.core.DeleteAppointment(ctx, r)
	if err != nil {
		return nil, err
	}
	return &towerpb.DeleteAppointmentResponse{
		Locator: out.Locator[:], AvailableSlots: out.Slots, SubscriptionExpiry: out.Expiry,
	}, nil
}

func (s *towerService) GetSubscriptionInfo(ctx context.Context, in *towerpb.GetSubscriptionInfoRequest) (*towerpb.GetSubscriptionInfoResponse, error) {
	r, err := s.check.GetSubscriptionInfoOf(in.GetSignature())
	if err != nil {
		return nil, err
	}
	out, err := s.core.GetSubscriptionInfo(ctx, r.From(in.GetAfter()))
	if err != nil {
		return nil, err
	}
	return subscriptionToPB(out), nil
}

func (s *towerService) GetDialect(ctx context.Context, in *towerpb.GetDialectRequest) (*towerpb.GetDialectResponse, error) {
	user, err := teos.UserIDFromBytes(in.GetUserId())
	if err != nil {
		return nil, teos.Errorf(teos.KeyMalformed, "%v", err)
	}
	d, err := s.core.Dialect(ctx, user)
	if err != nil {
		return nil, err
	}
	return &towerpb.GetDialectResponse{Dialect: dialectToPB(d)}, nil
}

func (s *towerService) Ping(ctx context.Context, in *towerpb.PingRequest) (*towerpb.PingResponse, error) {
	if err := s.core.Ready(ctx, in.GetWrite()); err != nil {
		return nil, err
	}
	return &towerpb.PingResponse{}, nil
}

// adminService serves the operator.
type adminService struct {
	towerpb.UnimplementedAdminServiceServer
	desk Desk
}

func (s *adminService) Ask(ctx context.Context, in *towerpb.AskRequest) (*towerpb.AskResponse, error) {
	document, err := s.desk.Ask(ctx, in.GetMethod(), in.GetParams())
	if err != nil {
		return nil, err
	}
	return &towerpb.AskResponse{Document: document}, nil
}
