package tower_test

import (
	"context"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
)

// countingStore counts transactions.
type countingStore struct {
	tower.Store
	updates, views int
}

func (s *countingStore) Update(ctx context.Context, f func(tower.Tx) error) error {
	s.updates++
	return s.Store.Update(ctx, f)
}

func (s *countingStore) View(ctx context.Context, f func(tower.Tx) error) error {
	s.views++
	return s.Store.View(ctx, f)
}

func TestInvariant1OneRequestOrBlockIsOneTransaction(t *testing.T) {
	b := newBench(t)
	counts := &countingStore{Store: b.store}
	terms := tower.Terms{Terms: gatekeeper.Terms{Slots: slots, Duration: 1000}, RecentBlocks: recent}
	tw := tower.New(towertest.Key(0), counts, terms, towertest.Quiet())
	ctx, a := t.Context(), appointment(alice, 1, 0)
	for _, c := range []struct {
		what           string
		call           func() error
		updates, views int
	}{
		{"register", func() error { _, err := tw.Register(ctx, alice.Register(t)); return err }, 1, 0},
		{"add", func() error { _, err := tw.AddAppointment(ctx, alice.Add(t, a)); return err }, 1, 0},
		{"repeat", func() error { _, err := tw.AddAppointment(ctx, alice.Add(t, a)); return err }, 1, 0},
		{"get", func() error { _, err := tw.GetAppointment(ctx, alice.Get(t, a.Locator)); return err }, 0, 1},
		{"get info", func() error { _, err := tw.GetSubscriptionInfo(ctx, alice.Subscription(t)); return err }, 0, 1},
		{"block", func() error { return tw.Connect(ctx, b.chain.Mine(chaintest.Dispute(1))) }, 1, 0},
		{"reorg", func() error { return tw.Disconnect(ctx, 10) }, 1, 0},
		{"backfill", func() error { return tw.Backfill(ctx, b.chain.At(9)) }, 1, 0},
		{"begin", func() error { return tw.Begin(ctx, b.chain.At(9)) }, 1, 0},
	} {
		before := *counts
		b.must(c.call())
		if u, v := counts.updates-before.updates, counts.views-before.views; u != c.updates || v != c.views {
			t.Errorf("%s: %d updates and %d views, want %d and %d", c.what, u, v, c.updates, c.views)
		}
	}
}

// Appointments come while their disputes do: each meets the block or, if that
// was first, the table of recent transactions.
func TestInvariant4NoAppointmentFallsBetweenTwoBlocks(t *testing.T) {
	const users, each = 4, 20
	b := newBench(t)
	var clients [users]towertest.User
	var work sync.WaitGroup
	b.OnPenaltyDue(func() {})
	for i := range clients {
		clients[i] = towertest.NewUser(byte(i+1), teos.Dialect(1+i%2))
		b.register(clients[i])
	}
	errs := make(chan error, users*each)
	for _, u := range clients {
		work.Go(func() {
			for n := range uint32(each) {
				r := u.Add(t, appointment(u, n, 0))
				for range 2 { // the repeat may come after the trigger
					if _, err := b.AddAppointment(t.Context(), r); err != nil && teos.AsError(err).Cause != teos.AlreadyTriggered {
						errs <- err
					}
				}
			}
		})
	}
	for i := range uint32(recent - 1) {
		var disputes []*wire.MsgTx
		for n := i; n < each; n += recent - 1 {
			disputes = append(disputes, chaintest.Dispute(n))
		}
		b.mine(disputes...)
	}
	work.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	for _, u := range clients {
		for n := range uint32(each) {
			if !b.get(u, n).Triggered {
				t.Errorf("the breach %d of a user was missed", n)
			}
		}
		b.wantSlots(u, slots-each, slots)
	}
}
