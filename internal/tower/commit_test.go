package tower_test

import (
	"context"
	"errors"
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
)

var errAnswerLost = errors.New("commit: the answer was lost")

// unsureStore commits, and then can't tell that it did.
type unsureStore struct{ tower.Store }

func (s unsureStore) Update(ctx context.Context, f func(tower.Tx) error) error {
	return errors.Join(s.Store.Update(ctx, f), errAnswerLost)
}

// The breach is durable, and nobody looks at that block or that appointment
// again: it must not wait for the next block.
func TestAPenaltyIsDueWhereACommitOnlySeemsToFail(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	terms := tower.Terms{Terms: gatekeeper.Terms{Slots: slots, Duration: duration}, RecentBlocks: recent}
	unsure := tower.New(towertest.Key(0), unsureStore{b.store}, terms, towertest.Quiet())
	due := 0
	unsure.OnPenaltyDue(func() { due++ })
	b.add(alice, appointment(alice, 1, 0))
	for _, c := range []struct {
		what string
		call func() error
	}{
		{"a block", func() error {
			return unsure.Connect(t.Context(), b.chain.Mine(chaintest.Dispute(1), chaintest.Dispute(2)))
		}},
		{"a late appointment", func() error {
			_, err := unsure.AddAppointment(t.Context(), alice.Add(t, appointment(alice, 2, 0)))
			return err
		}},
		{"a reorg", func() error { return unsure.Disconnect(t.Context(), 10) }},
	} {
		before := due
		if err := c.call(); !errors.Is(err, errAnswerLost) {
			t.Fatalf("%s: %v", c.what, err)
		}
		if due != before+1 {
			t.Errorf("%s: a penalty was due %d times, want 1", c.what, due-before)
		}
	}
}
