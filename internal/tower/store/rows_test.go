package store_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// putUser stores a user with 100 slots until block 1000 and returns its row.
func putUser(t *testing.T, tx tower.Tx, n byte) gatekeeper.User {
	t.Helper()
	id := towertest.NewUser(n, teos.V2).ID()
	if err := tx.PutUser(gatekeeper.User{ID: id, Dialect: teos.V2, Slots: 100, Start: 10, Expiry: 1000}); err != nil {
		t.Fatal(err)
	}
	u, err := tx.User(id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// putAppointment stores an appointment for the n-th dispute.
func putAppointment(t *testing.T, tx tower.Tx, u gatekeeper.User, n uint32) watcher.Appointment {
	t.Helper()
	client := towertest.NewUser(1, u.Dialect)
	dispute := chaintest.Dispute(n)
	a := client.Appointment(dispute, chaintest.Penalty(dispute, 0))
	stored := watcher.Appointment{
		UserRow: u.Row, Appointment: a, UserSignature: teos.Sign(client.Key, a.Message()), StartBlock: 10,
	}
	var err error
	if stored.Row, err = tx.PutAppointment(stored); err != nil {
		t.Fatal(err)
	}
	return stored
}

// putTracker stores an appointment and its tracker, whose dispute is in a
// block, and returns the latter.
func putTracker(t *testing.T, tx tower.Tx, u gatekeeper.User, n, height uint32) responder.Tracker {
	t.Helper()
	a := putAppointment(t, tx, u, n)
	dispute := chaintest.Dispute(n)
	tr := responder.Tracker{
		Row: a.Row, Dispute: towertest.Tx(dispute), DisputeAt: height, Judged: height - 1,
		Penalty: towertest.Tx(chaintest.Penalty(dispute, 0)), Spent: []wire.TxOut{*dispute.TxOut[0]},
	}
	if err := tx.InsertTracker(tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

func mustPut(t *testing.T, tx tower.Tx, tr responder.Tracker) {
	t.Helper()
	if err := tx.PutTracker(tr); err != nil {
		t.Fatal(err)
	}
}

func tracker(t *testing.T, tx tower.Tx, row int64) responder.Tracker {
	t.Helper()
	tr, err := tx.Tracker(row)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func testUsers(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		_, err := tx.User(towertest.NewUser(1, 0).ID())
		wantErr(t, err, gatekeeper.ErrNoUser)
		u := putUser(t, tx, 1)
		equal(t, "new user", u, gatekeeper.User{
			Row: u.Row, ID: towertest.NewUser(1, 0).ID(), Dialect: teos.V2, Slots: 100, Start: 10, Expiry: 1000,
		})
		if u.Row == 0 {
			t.Error("a stored user has no row")
		}
		other := putUser(t, tx, 2)
		u.Dialect, u.Slots, u.Start, u.Expiry = teos.V1, math.MaxUint32, math.MaxUint32-1, math.MaxUint32
		if err := tx.PutUser(u); err != nil {
			return err
		}
		got, err := tx.User(u.ID)
		equal(t, "changed user", got, u)
		again, _ := tx.User(other.ID)
		equal(t, "the other user", again, other)
		return err
	})
	err := s.Update(t.Context(), func(tx tower.Tx) error {
		return tx.PutUser(gatekeeper.User{Row: 77, ID: towertest.NewUser(1, 0).ID()})
	})
	if err == nil {
		t.Error("a user that is not there was changed")
	}
}

func testRefund(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		for _, step := range []struct{ refund, want uint32 }{
			{0, 100}, {5, 105}, {math.MaxUint32, math.MaxUint32}, {1, math.MaxUint32},
		} {
			if err := tx.Refund(u.Row, gatekeeper.Load{Slots: uint64(step.refund)}); err != nil {
				return err
			}
			got, err := tx.User(u.ID)
			if err != nil {
				return err
			}
			equal(t, "slots", got.Slots, step.want)
		}
		return nil
	})
	if err := s.Update(t.Context(), func(tx tower.Tx) error { return tx.Refund(77, gatekeeper.Load{Slots: 1}) }); err == nil {
		t.Error("a user that is not there got slots")
	}
}

func testAppointments(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		alice, bob := putUser(t, tx, 1), putUser(t, tx, 2)
		a := putAppointment(t, tx, alice, 1)
		_, err := tx.Appointment(bob.Row, a.Locator)
		wantErr(t, err, watcher.ErrNoAppointment)
		b := putAppointment(t, tx, bob, 1)
		second := putAppointment(t, tx, alice, 2)
		for user, want := range map[int64]watcher.Appointment{alice.Row: a, bob.Row: b} {
			got, err := tx.Appointment(user, a.Locator)
			if err != nil {
				return err
			}
			equal(t, "appointment", got, want)
		}
		ls, last, err := tx.Locators(alice.Row, 0, 9)
		equal(t, "locators", ls, []teos.Locator{a.Locator, second.Locator})
		equal(t, "last row", last, second.Row)
		if err != nil {
			return err
		}
		ls, last, err = tx.Locators(alice.Row, 0, 1)
		equal(t, "first locator", ls, []teos.Locator{a.Locator})
		equal(t, "its row", last, a.Row)
		if err != nil {
			return err
		}
		ls, _, err = tx.Locators(alice.Row, last, 1)
		equal(t, "locators after it", ls, []teos.Locator{second.Locator})
		if err != nil {
			return err
		}
		if err := tx.DropAppointment(a.Row); err != nil {
			return err
		}
		_, err = tx.AppointmentIn(a.Row)
		wantErr(t, err, watcher.ErrNoAppointment)
		got, err := tx.AppointmentIn(b.Row)
		equal(t, "appointment of the other", got, b)
		return err
	})
	// Not in a transaction with others: some databases end it at an error.
	for name, f := range map[string]func(tx tower.Tx) error{
		"dropped twice": func(tx tower.Tx) error { return tx.DropAppointment(77) },
		"nobody's": func(tx tower.Tx) error {
			_, err := tx.PutAppointment(watcher.Appointment{UserRow: 77, Appointment: teos.Appointment{EncryptedBlob: []byte{1}}})
			return err
		},
		"changed while not there": func(tx tower.Tx) error {
			_, err := tx.PutAppointment(watcher.Appointment{Row: 77, Appointment: teos.Appointment{EncryptedBlob: []byte{1}}})
			return err
		},
	} {
		if err := s.Update(t.Context(), f); err == nil {
			t.Errorf("an appointment was %s", name)
		}
	}
}

func testUpdateAppointment(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		a := putAppointment(t, tx, putUser(t, tx, 1), 1)
		a.EncryptedBlob, a.ToSelfDelay, a.StartBlock = bytes.Repeat([]byte{7}, 5000), math.MaxUint32, math.MaxUint32
		a.UserSignature = teos.Sign(towertest.Key(1), a.Message())
		row, err := tx.PutAppointment(a)
		equal(t, "row", row, a.Row)
		if err != nil {
			return err
		}
		got, err := tx.Appointment(a.UserRow, a.Locator)
		equal(t, "appointment", got, a)
		return err
	})
}

func testRowsAt(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		alice, bob := putUser(t, tx, 1), putUser(t, tx, 2)
		want := []int64{putAppointment(t, tx, alice, 1).Row, putAppointment(t, tx, bob, 1).Row}
		putAppointment(t, tx, alice, 2)
		last := putTracker(t, tx, bob, 3, 50)
		none, err := tx.RowsAt(nil)
		equal(t, "appointments at no locator", len(none), 0)
		if err != nil {
			return err
		}
		// More locators than any statement takes, with hits at both ends.
		ls := []teos.Locator{teos.NewLocator(teos.V2, chaintest.Dispute(1).TxHash())}
		for i := range uint32(2 * 40_000) {
			ls = append(ls, teos.NewLocator(teos.V1, towertest.Tx(chaintest.Dispute(1000+i/8)).ID))
		}
		ls = append(ls, teos.NewLocator(teos.V2, last.Dispute.ID))
		rows, err := tx.RowsAt(ls)
		if err != nil {
			return err
		}
		slices.Sort(rows)
		equal(t, "rows", rows, append(want, last.Row))
		return nil
	})
}

// putLapsed stores an appointment of a user whose subscription ended at a
// height.
func putLapsed(t *testing.T, tx tower.Tx, n byte, expiry uint32) (gatekeeper.User, watcher.Appointment) {
	t.Helper()
	u := putUser(t, tx, n)
	u.Expiry = expiry
	if err := tx.PutUser(u); err != nil {
		t.Fatal(err)
	}
	return u, putAppointment(t, tx, u, 1)
}

func testDropExpired(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		over, _ := putLapsed(t, tx, 1, 500)
		later, kept := putLapsed(t, tx, 2, 501)
		empty := putUser(t, tx, 3)
		empty.Expiry = 1
		if err := tx.PutUser(empty); err != nil {
			return err
		}
		appointments, users, err := tx.DropExpired(500)
		equal(t, "appointments", appointments, 1)
		equal(t, "users", users, 2)
		if err != nil {
			return err
		}
		for _, id := range []teos.UserID{over.ID, empty.ID} {
			_, err = tx.User(id)
			wantErr(t, err, gatekeeper.ErrNoUser)
		}
		got, err := tx.Appointment(later.Row, kept.Locator)
		equal(t, "kept appointment", got, kept)
		return err
	})
}

func testDropExpiredWithTracker(t *testing.T, s tower.Store) {
	var id teos.UserID
	update(t, s, func(tx tower.Tx) error {
		u, a := putLapsed(t, tx, 1, 500)
		id = u.ID
		u.Slots = 98 // of 100: one for each appointment
		if err := tx.PutUser(u); err != nil {
			return err
		}
		tr := putTracker(t, tx, u, 2, 490)
		appointments, users, err := tx.DropExpired(500)
		equal(t, "appointments", appointments, 1)
		equal(t, "users", users, 0)
		if err != nil {
			return err
		}
		_, err = tx.AppointmentIn(a.Row)
		wantErr(t, err, watcher.ErrNoAppointment)
		equal(t, "tracker", tracker(t, tx, tr.Row), tr)
		_, err = tx.User(u.ID)
		return err
	})
	// The user may come back: what was deleted does not fill slots any more.
	towertest.CheckSlots(t, s, id, 100)
}

func testRowsAreNotReused(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		a := putAppointment(t, tx, u, 1)
		if err := tx.DropAppointment(a.Row); err != nil {
			return err
		}
		if b := putAppointment(t, tx, u, 2); b.Row <= a.Row {
			t.Errorf("row %d was given to another appointment after row %d", b.Row, a.Row)
		}
		last := putUser(t, tx, 2)
		last.Expiry = 1
		if err := tx.PutUser(last); err != nil {
			return err
		}
		if _, _, err := tx.DropExpired(1); err != nil {
			return err
		}
		if next := putUser(t, tx, 3); next.Row <= last.Row {
			t.Errorf("row %d was given to another user after row %d", next.Row, last.Row)
		}
		return nil
	})
}

func testStats(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		putUser(t, tx, 2)
		putAppointment(t, tx, u, 1)
		for i, spend := range []responder.Spend{
			responder.Unspent, responder.Unspent, responder.ByPenalty, responder.ByRival, responder.Replaced,
		} {
			tr := putTracker(t, tx, u, 10+uint32(i), 50)
			tr.Spend, tr.SpentAt = spend, 51
			mustPut(t, tx, tr)
		}
		for n, spend := range []responder.Spend{responder.ByPenalty, responder.ByRival, responder.ByRival} {
			resolve(t, tx, u, 20+uint32(n), spend)
		}
		got, err := tx.Stats()
		equal(t, "stats", got, tower.Stats{
			Users: 2, Appointments: 6, Pending: 2, Confirmed: 1, Rivalled: 2, Resolved: 1, Lost: 2,
		})
		return err
	})
}

// testRefusedUntil: of the refused penalties only those count that may be good.
func testRefusedUntil(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		want := func(what string, until uint64) {
			t.Helper()
			stats, err := tx.Stats()
			if err != nil {
				t.Fatal(err)
			}
			equal(t, what, stats.RefusedUntil, until)
		}
		refused := func(n, height uint32, change func(*responder.Tracker)) responder.Tracker {
			tr := putTracker(t, tx, u, n, height)
			tr.Tries, tr.TriedAt = 1, height
			change(&tr)
			mustPut(t, tx, tr)
			return tr
		}
		asIs := func(*responder.Tracker) {}
		refused(1, 40, func(tr *responder.Tracker) { tr.Tries = 0 })
		refused(2, 40, func(tr *responder.Tracker) { tr.Accepted = true })
		refused(3, 40, func(tr *responder.Tracker) { tr.Doubtful = true })
		refused(4, 40, func(tr *responder.Tracker) { tr.DisputeAt = 0 })
		refused(5, 40, func(tr *responder.Tracker) { tr.Spend, tr.SpentAt = responder.ByRival, 41 })
		want("without one that counts", 0)
		later := refused(6, 60, asIs)
		a, err := tx.AppointmentIn(later.Row)
		if err != nil {
			return err
		}
		want("with one", 60+uint64(a.ToSelfDelay))
		first := refused(7, 50, asIs)
		want("with two", 50+uint64(a.ToSelfDelay))
		first.Accepted = true
		mustPut(t, tx, first)
		want("with one again", 60+uint64(a.ToSelfDelay))
		return nil
	})
}

// resolve ends the breach of a new appointment.
func resolve(t *testing.T, tx tower.Tx, u gatekeeper.User, n uint32, spend responder.Spend) responder.Tracker {
	t.Helper()
	tr := putTracker(t, tx, u, n, 50)
	tr.Spend, tr.Spender, tr.SpentAt = spend, chainhash.HashH([]byte("spender")), 51
	tr.Tries, tr.TriedAt, tr.Accepted, tr.Reason, tr.Doubtful = 3, 50, true, "", true
	r := tower.Resolution{Tracker: tr, Height: 150, When: time.Unix(1700000000, 0)}
	for _, err := range []error{tx.AddResolution(r), tx.DropTracker(tr.Row), tx.DropAppointment(tr.Row)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return tr
}
