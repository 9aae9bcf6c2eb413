package tower

import (
	"context"
	"errors"
	"math"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/watcher"
)

// Deletion is what is left of a subscription once an appointment is gone.
type Deletion struct {
	Locator       teos.Locator
	Slots, Expiry uint32
}

// DeleteAppointment ends an appointment that its user wants to be watched no
// more, and gives its slots back. One that was triggered stays: its penalty is
// being published. One that is not there, or not any more, is teos.NotFound.
func (t *Tower) DeleteAppointment(ctx context.Context, r inspector.DeleteAppointment) (Deletion, error) {
	signers, err := askers(r.GetAppointment, teos.DeleteAppointmentMessage)
	if err != nil {
		return Deletion{}, err
	}
	d := Deletion{Locator: r.Locator()}
	err = t.update(ctx, func(tx Tx, height uint32) error {
		u, err := t.authenticateOne(tx, signers, height)
		if err != nil {
			return err
		}
		a, err := tx.Appointment(u.Row, r.Locator())
		switch {
		case errors.Is(err, watcher.ErrNoAppointment):
			return teos.Errorf(teos.NotFound, "you have no appointment with this locator").In(u.Dialect)
		case err != nil:
			return err
		case a.Triggered:
			return teos.Errorf(teos.AlreadyTriggered,
				"the dispute of this appointment was seen; its penalty is being published").In(u.Dialect)
		}
		d.Slots, d.Expiry = uint32(min(uint64(u.Slots)+uint64(a.Slots()), math.MaxUint32)), u.Expiry
		return forget(tx, a)
	})
	return d, err
}

// forget drops an appointment that has no tracker; its slots are the user's again.
func forget(tx Tx, a watcher.Appointment) error {
	if err := tx.DropAppointment(a.Row); err != nil {
		return err
	}
	return tx.Refund(a.UserRow, gatekeeper.LoadOf(len(a.EncryptedBlob)))
}
