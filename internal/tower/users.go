package tower

import (
	"context"
	"errors"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// Registration is a subscription with the tower's signature over its receipt.
type Registration struct {
	teos.RegistrationReceipt
	Signature teos.Signature
}

// Register starts a user's subscription or extends it.
func (t *Tower) Register(ctx context.Context, r inspector.Register) (Registration, error) {
	var u gatekeeper.User
	err := t.update(ctx, func(tx Tx, height uint32) (err error) {
		u, err = t.gatekeeper.Register(tx, r.User(), r.Dialect(), height)
		return err
	})
	if err != nil {
		return Registration{}, err
	}
	receipt := teos.RegistrationReceipt{User: u.ID, Slots: u.Slots, Start: u.Start, Expiry: u.Expiry}
	return Registration{receipt, teos.Sign(t.key, receipt.Message(u.Dialect))}, nil
}

// Acceptance is an appointment's receipt with the tower's signature over it,
// and what is left of the subscription.
type Acceptance struct {
	teos.AppointmentReceipt
	Signature teos.Signature
	Locator   teos.Locator
	Slots     uint32
	Expiry    uint32
}

// AddAppointment stores an appointment, or its update, and promises to watch.
// If its dispute is in a recent block, its answer is due at once. The receipt
// is signed after everything is on disk.
func (t *Tower) AddAppointment(ctx context.Context, r inspector.AddAppointment) (Acceptance, error) {
	signer, err := signerOf(r.Appointment().Message(), r.Signature())
	if err != nil {
		return Acceptance{}, err
	}
	var u gatekeeper.User
	var a watcher.Appointment
	var late bool
	err = t.update(ctx, func(tx Tx, height uint32) (err error) {
		if u, err = t.gatekeeper.Authenticate(tx, signer, height); err != nil {
			return err
		}
		u, a, late, err = t.accept(tx, u, r, height)
		return err
	})
	if err != nil {
		return Acceptance{}, err
	}
	if late {
		t.penaltyDue()
	}
	receipt := teos.AppointmentReceipt{UserSignature: a.UserSignature, StartBlock: a.StartBlock}
	signature := teos.Sign(t.key, receipt.Message(u.Dialect))
	return Acceptance{receipt, signature, a.Locator, u.Slots, u.Expiry}, nil
}

// accept stores an appointment. One that is stored to the letter already
// costs nothing and keeps its receipt.
func (t *Tower) accept(tx Tx, u gatekeeper.User, r inspector.AddAppointment, height uint32) (gatekeeper.User, watcher.Appointment, bool, error) {
	old, err := tx.Appointment(u.Row, r.Appointment().Locator)
	if err != nil && !errors.Is(err, watcher.ErrNoAppointment) {
		return u, old, false, err
	}
	if old.Triggered {
		return u, old, false, teos.Errorf(teos.AlreadyTriggered,
			"the dispute of this appointment was seen already; its penalty is being published").In(u.Dialect)
	}
	if old.Row != 0 && same(old, r) {
		return u, old, false, nil
	}
	a := watcher.Appointment{
		Row: old.Row, UserRow: u.Row, Appointment: r.Appointment(),
		UserSignature: r.Signature(), StartBlock: height,
	}
	var had uint32
	if old.Row != 0 {
		had = old.Slots()
	}
	if u, err = t.gatekeeper.Charge(tx, u, had, a.Slots()); err != nil {
		return u, a, false, err
	}
	if a.Row, err = tx.PutAppointment(a); err != nil {
		return u, a, false, err
	}
	late, err := t.answerLate(tx, a)
	return u, a, late, err
}

func same(a watcher.Appointment, r inspector.AddAppointment) bool {
	return a.UserSignature == r.Signature() &&
		string(a.Appointment.Message()) == string(r.Appointment().Message())
}

// answerLate tracks the breach of an appointment that came after its dispute.
// Whatever happened to the dispute's outputs since is found by a rescan.
func (t *Tower) answerLate(tx Tx, a watcher.Appointment) (bool, error) {
	id, height, found, err := tx.RecentTransaction(a.Locator)
	if err != nil || !found {
		return false, err
	}
	penalty, err := watcher.Penalty(id, a.EncryptedBlob)
	if err != nil {
		t.log.Warn("an appointment came after its dispute and can't answer it", "locator", a.Locator, "err", err)
		return false, nil
	}
	t.log.Warn("breach found: the appointment came after its dispute",
		"locator", a.Locator, "dispute", id, "height", height, "penalty", penalty.ID)
	return true, responder.Track(tx, a.Row, chain.Tx{ID: id}, height, penalty)
}

// Watched is an appointment, with its tracker if it was triggered.
type Watched struct {
	watcher.Appointment
	Tracker responder.Tracker
}

// GetAppointment returns a user's appointment and what became of it.
func (t *Tower) GetAppointment(ctx context.Context, r inspector.GetAppointment) (Watched, error) {
	signer, err := signerOf(teos.GetAppointmentMessage(r.Locator()), r.Signature())
	if err != nil {
		return Watched{}, err
	}
	var w Watched
	err = t.view(ctx, func(tx Tx, height uint32) error {
		u, err := t.gatekeeper.Authenticate(tx, signer, height)
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

// Subscription is what a user has left, and for what it was used.
type Subscription struct {
	Slots, Expiry uint32
	Locators      []teos.Locator
}

// GetSubscriptionInfo returns the state of a user's subscription.
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
		s.Locators, err = tx.Locators(u.Row)
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
