package tower

import (
	"context"
	"errors"
	"time"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// Registration is a subscription with the tower's signature over its receipt.
type Registration struct {
	teos.RegistrationReceipt
	Signature teos.Signature
}

// Register starts a user's subscription or extends it. The receipt is in the
// dialect of the request, whatever the user's appointments are bound to.
func (t *Tower) Register(ctx context.Context, r inspector.Register) (Registration, error) {
	var u gatekeeper.User
	err := t.update(ctx, func(tx Tx, height uint32) (err error) {
		u, err = t.gatekeeper.Register(tx, gatekeeper.Applicant{
			ID: r.User(), Dialect: r.Dialect(), Token: r.Token(), Trusted: r.Trusted(),
		}, height, time.Now())
		return err
	})
	if gatekeeper.IsKnock(err) {
		t.knock(ctx, r.User(), r.Address())
	}
	if err != nil {
		return Registration{}, err
	}
	receipt := teos.RegistrationReceipt{User: u.ID, Slots: u.Slots, Start: u.Start, Expiry: u.Expiry}
	return Registration{receipt, teos.Sign(t.key, receipt.Message(r.Dialect()))}, nil
}

// Watched is an appointment, with its tracker if it was triggered.
type Watched struct {
	watcher.Appointment
	Tracker responder.Tracker
}

// GetAppointment returns a user's appointment and what became of it.
func (t *Tower) GetAppointment(ctx context.Context, r inspector.GetAppointment) (w Watched, err error) {
	signers, err := askers(r, teos.GetAppointmentMessage)
	if err != nil {
		return Watched{}, err
	}
	err = t.view(ctx, func(tx Tx, height uint32) error {
		u, err := t.authenticateOne(tx, signers, height)
		if err != nil {
			return err
		}
		w.Appointment, err = tx.Appointment(u.Row, r.Locator())
		if errors.Is(err, watcher.ErrNoAppointment) {
			return teos.Errorf(teos.NotFound, "you have no appointment with this locator").In(u.Dialect)
		}
		if err != nil || !w.Triggered {
			return err
		}
		w.Tracker, err = tx.Tracker(w.Row)
		return err
	})
	return w, err
}

// askers returns who may have signed a message about an appointment: over the
// locator as it was written, or, where that has upper-case digits, over the
// lower-case text.
func askers(r inspector.GetAppointment, message func(locator string) []byte) ([]teos.UserID, error) {
	signer, err := signerOf(message(r.Written()), r.Signature())
	if err != nil {
		return nil, err
	}
	signers := []teos.UserID{signer}
	if lower := r.Locator().String(); lower != r.Written() {
		if signer, err = signerOf(message(lower), r.Signature()); err == nil {
			signers = append(signers, signer)
		}
	}
	return signers, nil
}

// authenticateOne returns the first of some signers who is a user.
func (t *Tower) authenticateOne(tx Tx, signers []teos.UserID, height uint32) (u gatekeeper.User, err error) {
	for _, signer := range signers {
		u, err = t.gatekeeper.Authenticate(tx, signer, height)
		if err == nil || teos.AsError(err).Cause != teos.AuthenticationFailed {
			return u, err
		}
	}
	return u, err
}

// MaxLocators is how many locators are listed at once.
const MaxLocators = 4096

// Subscription is what a user has left, and a page of what it was used for.
type Subscription struct {
	Slots, Expiry uint32
	Locators      []teos.Locator
	// Next is what a request for the next page says; 0 if there is none.
	Next int64
}

// GetSubscriptionInfo returns the state of a user's subscription, with a page of
// its appointments: each page is of a moment of its own, for a transaction that
// took as long as a million of them, or as their reader, would hold up the log.
func (t *Tower) GetSubscriptionInfo(ctx context.Context, r inspector.GetSubscriptionInfo) (Subscription, error) {
	signer, err := signerOf(teos.SubscriptionInfoMessage(), r.Signature())
	if err != nil {
		return Subscription{}, err
	}
	var s Subscription
	err = t.view(ctx, func(tx Tx, height uint32) error {
		u, err := t.gatekeeper.Authenticate(tx, signer, height)
		if err != nil {
			return err
		}
		s.Slots, s.Expiry = u.Slots, u.Expiry
		s.Locators, s.Next, err = tx.Locators(u.Row, r.After(), MaxLocators)
		if len(s.Locators) < MaxLocators {
			s.Next = 0
		}
		return err
	})
	return s, err
}

// Dialect returns the dialect of a user, unknown if there is no such user.
func (t *Tower) Dialect(ctx context.Context, id teos.UserID) (d teos.Dialect, err error) {
	err = t.store.View(ctx, func(tx Tx) error {
		u, err := tx.User(id)
		if errors.Is(err, gatekeeper.ErrNoUser) {
			return nil
		}
		d = u.Dialect
		return err
	})
	return d, err
}

// signerOf recovers who signed, before any transaction: it is the dearest part
// of a request.
func signerOf(message []byte, s teos.Signature) (teos.UserID, error) {
	signer, err := teos.Recover(message, s)
	if err != nil {
		return teos.UserID{}, teos.Errorf(teos.AuthenticationFailed, "the signature is no signature of this request")
	}
	return signer, nil
}
