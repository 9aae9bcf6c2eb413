package tower_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

// fill gives a user so many appointments, as if it had handed them in.
func (b *bench) fill(u towertest.User, n int) {
	b.t.Helper()
	towertest.Update(b.t, b.store, func(tx tower.Tx) error {
		for i := range n {
			user, err := tx.User(u.ID())
			if err != nil {
				return err
			}
			a := watcher.Appointment{UserRow: user.Row, Appointment: teos.Appointment{EncryptedBlob: make([]byte, 100)}}
			binary.BigEndian.PutUint32(a.Locator[:], uint32(i+1))
			if _, err := tx.PutAppointment(a); err != nil {
				return err
			}
			user.Carry(gatekeeper.Load{}, gatekeeper.LoadOf(100))
			if err := tx.PutUser(user); err != nil {
				return err
			}
			tx.Grow(100)
		}
		return nil
	})
}

// TestRemovingAUserCountsWhatItEnds: in as many steps as it takes.
func TestRemovingAUserCountsWhatItEnds(t *testing.T) {
	for _, n := range []int{0, 1, 499, 500, 501, 1001} {
		for _, breaches := range []uint64{0, 1} {
			t.Run(fmt.Sprintf("%d, %d breached", n, breaches), func(t *testing.T) {
				b := newBench(t)
				b.register(alice)
				if breaches > 0 {
					b.add(alice, appointment(alice, 1, 0))
					b.mine(chaintest.Dispute(1))
				}
				b.fill(alice, n)
				r, err := b.Remove(t.Context(), alice.ID())
				b.must(err)
				if want := (tower.Removal{Appointments: uint64(n), Answering: breaches}); r != want {
					t.Errorf("removed %+v, want %+v", r, want)
				}
				info, err := b.Info(t.Context())
				b.must(err)
				if info.Users != breaches || info.Appointments != breaches || info.Pending != breaches {
					t.Errorf("left are %+v", info.Stats)
				}
			})
		}
	}
}

// TestWhoIsRemovedStaysOut: also of a tower that is open to everybody, until the
// operator allows it.
func TestWhoIsRemovedStaysOut(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	_, err := b.Remove(t.Context(), alice.ID())
	b.must(err)
	_, err = b.Register(t.Context(), alice.Register(t))
	b.wantCause(err, teos.RegistrationRefused, teos.V2)
	b.must(b.Allow(t.Context(), alice.ID(), "after all"))
	b.register(alice)
}

// TestAllowingAgainChangesTheNote: and nothing else.
func TestAllowingAgainChangesTheNote(t *testing.T) {
	b := newBench(t)
	for _, note := range []string{"one", "two"} {
		b.must(b.Allow(t.Context(), alice.ID(), note))
	}
	page, err := b.Admitted(t.Context(), tower.PageQuery{Limit: 10})
	b.must(err)
	if len(page.Entries) != 1 || page.Entries[0].Note != "two" || page.Entries[0].Refused {
		t.Errorf("admitted are %+v", page.Entries)
	}
	b.must(b.Disallow(t.Context(), bob.ID())) // who was never there
	page, err = b.Admitted(t.Context(), tower.PageQuery{Limit: 10})
	b.must(err)
	if len(page.Entries) != 2 || !page.Entries[1].Refused {
		t.Errorf("admitted are %+v", page.Entries)
	}
}

// TestAFloodOfKnocksDrownsNobodyElses: those of the address go that has the most.
func TestAFloodOfKnocksDrownsNobodyElses(t *testing.T) {
	b := newBench(t)
	at := time.Unix(1_700_000_000, 0)
	knock := func(n int, address string) {
		towertest.Update(t, b.store, func(tx tower.Tx) error {
			var id teos.UserID
			binary.BigEndian.PutUint32(id[:], uint32(n))
			return tx.PutKnock(id, address, at.Add(time.Duration(n)*time.Second))
		})
	}
	knock(1, "192.0.2.1")
	for n := range tower.MaxKnocks + 9 {
		knock(n+2, "192.0.2.9")
	}
	page, err := b.Knocks(t.Context(), tower.PageQuery{Limit: tower.MaxPage})
	b.must(err)
	if n := len(page.Entries); n != tower.MaxKnocks || page.Entries[0].Address != "192.0.2.1" {
		t.Errorf("%d knocks are kept, the first is %+v", n, page.Entries[0])
	}
}
