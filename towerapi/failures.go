package towerapi

import (
	"context"
	"encoding/json"
	"errors"

	"vigil/internal/teos"
)

// refuse is where a failure becomes an answer, in the dialect of the user
// where it is known.
func (s *Server) refuse(ctx context.Context, _ []byte, err error) answer {
	e := s.known(err)
	return refusal(e, s.dialect(ctx, e).Or(s.codes))
}

func refusal(e *teos.Error, d teos.Dialect) answer {
	return answer{status: e.Cause.HTTPStatus(d), body: NewFailed(e, d)}
}

// known returns the failure as a client may see it. Any other is logged.
func (s *Server) known(err error) *teos.Error {
	e := teos.AsError(err)
	if !errors.Is(err, e) {
		s.log.Error("a request failed for a reason of ours", "err", cut(err.Error(), maxLogged))
	}
	return e
}

// dialect finds whose dialect to answer in; unknown where that can't be found
// in time.
func (s *Server) dialect(ctx context.Context, e *teos.Error) teos.Dialect {
	if e.Dialect.Known() || e.User == nil {
		return e.Dialect
	}
	ctx, cancel := context.WithTimeout(ctx, s.timing.dialect)
	defer cancel()
	d, err := s.tower.Dialect(ctx, *e.User)
	if err != nil {
		return 0
	}
	return d
}

// refuseFound refuses a question for an appointment. One that is not found has
// a body that clients of both dialects read, and in v1 nobody learns whether
// the locator or the signature was wrong.
func (s *Server) refuseFound(ctx context.Context, body []byte, err error) answer {
	e := s.known(err)
	d := s.dialect(ctx, e).Or(s.codes)
	if e.Cause == teos.NotFound || e.Cause == teos.AuthenticationFailed && d == teos.V1 {
		e = teos.Errorf(teos.NotFound, "you have no appointment with this locator")
		return answer{status: e.Cause.HTTPStatus(d), body: NotFound(e, d, locatorIn(body))}
	}
	return refusal(e, d)
}

// locatorIn returns the locator of a question whose signature may be wrong:
// the inspector has accepted the locator itself.
func locatorIn(body []byte) teos.Locator {
	var fields map[string]json.RawMessage
	var text string
	if json.Unmarshal(body, &fields) != nil || json.Unmarshal(fields["locator"], &text) != nil {
		return teos.Locator{}
	}
	l, err := teos.ParseLocator(text)
	if err != nil {
		return teos.Locator{}
	}
	return l
}

// refuseAppointment refuses an appointment. What is the client's to mend, or
// final, is told. Whatever else failed, the client must keep the appointment
// and come again, and the store is probed (storage.go).
func (s *Server) refuseAppointment(ctx context.Context, body []byte, err error) answer {
	if mayDrop(teos.AsError(err).Cause) {
		return s.refuse(ctx, body, err)
	}
	if !errors.Is(err, errNotArrived) {
		s.suspect(err)
	}
	e := *s.known(err)
	if e.User == nil {
		e.User = s.signer(body)
	}
	return notNow(s.dialect(ctx, &e))
}

// mayDrop tells whether clients treat a cause as they should towards
// add_appointment: by v2's codes, they register again and resend over 7, and
// drop the appointment over any other, which is right for 1 to 6 and 33 to 35
// (docs/protocol.md, rule 1).
func mayDrop(c teos.Cause) bool {
	code := c.Code(teos.V2)
	return code >= 1 && code <= 7 || code >= 33 && code <= 35
}

// signer returns who signed an appointment, nil where that can't be told.
func (s *Server) signer(body []byte) *teos.UserID {
	r, err := s.check.AddAppointment(body)
	if err != nil {
		return nil
	}
	user, err := teos.Recover(r.Appointment().Message(), r.Signature())
	if err != nil {
		return nil
	}
	return &user
}

// notNow makes a client keep its appointment and come again. Clients of v2
// do so over code 7 and read no status; those of v1 over status 503 and read
// no code. A client whose dialect is not known gets both.
func notNow(d teos.Dialect) answer {
	later := teos.Errorf(teos.Unavailable, "the tower can't store appointments now: keep this one and send it again")
	v1 := refusal(later, teos.V1)
	if d == teos.V1 {
		return v1
	}
	later.Cause = teos.SubscriptionOver
	v2 := refusal(later, teos.V2)
	if !d.Known() {
		v2.status = v1.status
	}
	return v2
}
