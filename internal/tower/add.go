package tower

import (
	"context"
	"errors"
	"time"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

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
	in := addition{AddAppointment: r, journal: journal{log: t.log}}
	err = t.update(ctx, func(tx Tx, height uint32) (err error) {
		if in.user, err = t.gatekeeper.Authenticate(tx, signer, height); err != nil {
			return err
		}
		return t.accept(tx, &in, height)
	})
	if in.late {
		t.penaltyDue() // see change
	}
	if err != nil {
		return Acceptance{}, err
	}
	in.journal.write()
	return t.receipt(in), nil
}

// addition is an appointment on its way into the store.
type addition struct {
	inspector.AddAppointment
	user gatekeeper.User
	// stored is the appointment as it is in the store afterwards.
	stored watcher.Appointment
	// late says that its dispute is in a recent block, and it answers it.
	late    bool
	journal journal
}

func (t *Tower) receipt(in addition) Acceptance {
	receipt := teos.AppointmentReceipt{UserSignature: in.stored.UserSignature, StartBlock: in.stored.StartBlock}
	return Acceptance{
		AppointmentReceipt: receipt,
		Signature:          teos.Sign(t.key, receipt.Message(in.user.Dialect)),
		Locator:            in.stored.Locator, Slots: in.user.Slots, Expiry: in.user.Expiry,
	}
}

// accept stores an appointment. One that is stored to the letter already
// costs nothing and keeps its receipt.
func (t *Tower) accept(tx Tx, in *addition, height uint32) (err error) {
	in.stored, err = tx.Appointment(in.user.Row, in.Appointment().Locator)
	had := gatekeeper.LoadOf(len(in.stored.EncryptedBlob))
	switch {
	case errors.Is(err, watcher.ErrNoAppointment):
		had = gatekeeper.Load{}
	case err != nil:
		return err
	case in.stored.Triggered:
		return teos.Errorf(teos.AlreadyTriggered,
			"the dispute of this appointment was seen already; its penalty is being published").In(in.user.Dialect)
	case in.repeats():
		return nil
	}
	in.stored = watcher.Appointment{
		Row: in.stored.Row, UserRow: in.user.Row, Appointment: in.Appointment(),
		UserSignature: in.Signature(), StartBlock: height,
	}
	if in.user, err = t.gatekeeper.Charge(tx, in.user, had, gatekeeper.LoadOf(len(in.stored.EncryptedBlob)), time.Now()); err != nil {
		return err
	}
	if in.stored.Row, err = tx.PutAppointment(in.stored); err != nil {
		return err
	}
	return in.answerLate(tx)
}

// repeats tells whether the stored appointment is the one that is handed in.
func (in *addition) repeats() bool {
	return in.stored.UserSignature == in.Signature() &&
		string(in.stored.Message()) == string(in.Appointment().Message())
}

// answerLate tracks the breach of an appointment that came after its dispute.
// Whatever happened to the dispute's outputs since is found by a rescan.
func (in *addition) answerLate(tx Tx) error {
	locator := in.stored.Locator
	id, height, found, err := tx.RecentTransaction(locator)
	if err != nil || !found {
		return err
	}
	penalty, err := watcher.Penalty(id, in.stored.EncryptedBlob)
	if err != nil {
		in.journal.warn("an appointment came after its dispute and can't answer it", "locator", locator, "err", err)
		return nil
	}
	in.journal.warn("breach found: the appointment came after its dispute",
		"locator", locator, "dispute", id, "height", height, "penalty", penalty.ID)
	in.late = true
	return responder.Track(tx, in.stored.Row, chain.Tx{ID: id}, height, penalty)
}
