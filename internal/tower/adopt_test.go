package tower_test

import (
	"context"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

// promises are another tower's.
type promises struct {
	users        []tower.PromisedUser
	appointments []tower.Promised
}

func (p promises) Users(_ context.Context, f func(tower.PromisedUser) error) error {
	for _, u := range p.users {
		if err := f(u); err != nil {
			return err
		}
	}
	return nil
}

func (p promises) Appointments(_ context.Context, f func(tower.Promised) error) error {
	for _, a := range p.appointments {
		if err := f(a); err != nil {
			return err
		}
	}
	return nil
}

// promised is an appointment of a user of the other tower.
func promised(u towertest.User, a teos.Appointment, start uint32) tower.Promised {
	return tower.Promised{User: u.ID(), Appointment: watcher.Appointment{
		Appointment: a, UserSignature: teos.Sign(u.Key, a.Message()), StartBlock: start,
	}}
}

func (b *bench) adopt(p promises, base *chain.Block) tower.Adopted {
	b.t.Helper()
	got, err := b.Adopt(b.t.Context(), tower.Adoption{Promises: p,
		Base: chain.Header{Height: base.Height, Hash: base.Hash, Prev: base.Prev}})
	b.must(err)
	return got
}

func promisedUser(u towertest.User, free, expiry uint32, filled uint64) tower.PromisedUser {
	return tower.PromisedUser{Taken: filled, User: gatekeeper.User{
		ID: u.ID(), Dialect: u.Dialect, Slots: free, Start: 5, Expiry: expiry,
	}}
}

// What a running tower takes over meets the blocks that it has processed before, and
// what it had decided by them is decided again, once.
func TestWhatIsTakenOverMeetsTheBlocksThatWereProcessed(t *testing.T) {
	b := newBench(t)
	b.register(bob)
	b.add(bob, appointment(bob, 2, 0))
	b.mine() // 11
	base := b.chain.Best()
	b.mine(chaintest.Dispute(1), chaintest.Dispute(2)) // 12, bob's breach
	b.mine(chaintest.Penalty(chaintest.Dispute(2), 0)) // 13
	b.mineEmpty(2)

	// One who was here once, or was allowed to come, may come with the other tower.
	b.must(b.store.Update(t.Context(), func(tx tower.Tx) error {
		return tx.Admit(alice.ID(), gatekeeper.Admission{}, time.Now(), "a friend")
	}))
	p := promises{
		users:        []tower.PromisedUser{promisedUser(alice, 9, 200, 1), promisedUser(bob, 1, 20, 0)},
		appointments: []tower.Promised{promised(alice, appointment(alice, 1, 0), 11)},
	}
	want := tower.Adopted{NewUsers: 1, KnownUsers: 1, New: 1, FromHeight: 12, TakenBack: true}
	if got := b.adopt(p, base); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for height := base.Height + 1; height <= b.chain.Best().Height; height++ {
		b.must(b.Connect(t.Context(), b.chain.At(height)))
	}
	info, err := b.Info(t.Context())
	b.must(err)
	if info.Pending != 1 || info.Confirmed != 1 || info.Height != 15 {
		t.Errorf("%+v", info.Stats)
	}
	b.wantSlots(alice, 9, 10)
	b.wantLoad(alice, gatekeeper.LoadOf(len(appointment(alice, 1, 0).EncryptedBlob)))
	b.wantSlots(bob, slots-1, slots)

	want = tower.Adopted{KnownUsers: 2, Known: 1, FromHeight: 16}
	if got := b.adopt(p, base); got != want {
		t.Errorf("again: got %+v, want %+v", got, want)
	}
	if info, err := b.Info(t.Context()); err != nil || info.Height != 15 {
		t.Errorf("the tower was taken back for nothing: %+v, %v", info, err)
	}
}

// A breach that the other tower was answering goes on: whatever befell it after the
// base decides it.
func TestABreachThatIsTakenOverIsJudgedFromTheBaseOn(t *testing.T) {
	old := chaintest.New()
	old.MineEmpty(20)
	base := old.Best()
	dispute, a := chaintest.Dispute(1), appointment(alice, 1, 0)
	penalty := chaintest.Penalty(dispute, 0)
	found := old.Mine(dispute)
	spent := old.Mine(penalty)

	fresh := &bench{t: t, file: towertest.File(t), chain: old}
	fresh.open()
	over := promised(alice, a, 19)
	over.Triggered, over.Dispute, over.Penalty, over.Noted = true, towertest.Tx(dispute), towertest.Tx(penalty), found.Height-1
	p := promises{users: []tower.PromisedUser{promisedUser(alice, 9, 300, 1)}, appointments: []tower.Promised{over}}
	if got, want := fresh.adopt(p, base), (tower.Adopted{NewUsers: 1, New: 1, Breaches: 1, FromHeight: 21}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	fresh.must(fresh.store.View(t.Context(), func(tx tower.Tx) error {
		if _, admitted, err := tx.Admission(alice.ID()); err != nil || !admitted {
			t.Errorf("alice may not renew: %v", err)
		}
		return nil
	}))
	fresh.must(fresh.Connect(t.Context(), found))
	fresh.must(fresh.Connect(t.Context(), spent))
	page, err := fresh.Breaches(t.Context(), tower.BreachQuery{Limit: 10})
	fresh.must(err)
	if len(page.Breaches) != 1 || page.Breaches[0].State != tower.Confirmed ||
		page.Breaches[0].DisputeAt != found.Height || page.Breaches[0].SpentAt != spent.Height {
		t.Errorf("%+v", page.Breaches)
	}
	fresh.mineEmpty(99)
	fresh.wantSlots(alice, 10, 10)
	fresh.wantLoad(alice, gatekeeper.Load{})
	if got, want := fresh.adopt(p, base), (tower.Adopted{KnownUsers: 1, Over: 1, FromHeight: 122}); got != want {
		t.Errorf("after its end: got %+v, want %+v", got, want)
	}
}
