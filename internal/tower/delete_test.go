package tower_test

import (
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
)

func TestADeletedAppointmentGivesItsSlotsBackAndIsNotAnswered(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.register(bob)
	a := appointment(alice, 1, 3*teos.SlotSize)
	request := alice.Add(t, a)
	b.add(alice, a)
	b.wantLoad(alice, gatekeeper.LoadOf(len(a.EncryptedBlob)))
	b.wantSlots(alice, slots-3, slots)

	_, err := b.DeleteAppointment(t.Context(), bob.Delete(t, a.Locator))
	b.wantCause(err, teos.NotFound, teos.V1) // another's
	d, err := b.DeleteAppointment(t.Context(), alice.Delete(t, a.Locator))
	b.must(err)
	if d.Locator != a.Locator || d.Slots != slots || d.Expiry != 10+duration {
		t.Errorf("deleted: %+v", d)
	}
	b.wantSlots(alice, slots, slots)
	b.wantLoad(alice, gatekeeper.Load{})
	_, err = b.GetAppointment(t.Context(), alice.Get(t, a.Locator))
	b.wantCause(err, teos.NotFound, teos.V2)
	_, err = b.DeleteAppointment(t.Context(), alice.Delete(t, a.Locator))
	b.wantCause(err, teos.NotFound, teos.V2)

	// The signed words are the same as before: they bring it back.
	_, err = b.AddAppointment(t.Context(), request)
	b.must(err)
	b.wantSlots(alice, slots-3, slots)
	_, err = b.DeleteAppointment(t.Context(), alice.Delete(t, a.Locator))
	b.must(err)
	b.mine(chaintest.Dispute(1))
	if info, err := b.Info(t.Context()); err != nil || info.Appointments != 0 || info.Pending != 0 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestATriggeredAppointmentIsNotDeleted(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	a := appointment(alice, 1, 0)
	b.add(alice, a)
	b.mine(chaintest.Dispute(1))
	_, err := b.DeleteAppointment(t.Context(), alice.Delete(t, a.Locator))
	b.wantCause(err, teos.AlreadyTriggered, teos.V2)
	b.wantSlots(alice, slots-1, slots)
}

func TestADeletionIsOfItsUserOnly(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	a := appointment(alice, 1, 0)
	b.add(alice, a)
	_, err := b.DeleteAppointment(t.Context(), towertest.NewUser(9, teos.V2).Delete(t, a.Locator))
	b.wantCause(err, teos.AuthenticationFailed, 0)

	// A question's signature deletes nothing.
	l := a.Locator
	question := alice.Get(t, l).Signature()
	r, err := towertest.Check().DeleteAppointmentOf(l[:], l.String(), question[:])
	b.must(err)
	_, err = b.DeleteAppointment(t.Context(), r)
	b.wantCause(err, teos.AuthenticationFailed, 0)
	b.wantSlots(alice, slots-1, slots)
}

// wantLoad checks what is counted of a user's appointments.
func (b *bench) wantLoad(u towertest.User, want gatekeeper.Load) {
	b.t.Helper()
	b.must(b.store.View(b.t.Context(), func(tx tower.Tx) error {
		have, err := tx.User(u.ID())
		if got := (gatekeeper.Load{Appointments: have.Appointments, Slots: have.Filled, Bytes: have.Bytes}); got != want {
			b.t.Errorf("counted are %+v, want %+v", got, want)
		}
		return err
	}))
}
