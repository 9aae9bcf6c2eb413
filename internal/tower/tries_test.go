package tower_test

import (
	"testing"

	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/responder"
)

// A try that was on its way while a reorg happened must not pass for one on the
// new branch, however high that is.
func TestATryOnABranchThatWasLeftDoesNotCount(t *testing.T) {
	for name, above := range map[string]int{"shorter": 0, "as long": 1, "longer": 2} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.register(alice)
			b.add(alice, appointment(alice, 1, 0))
			b.mine(chaintest.Dispute(1))
			b.mine()
			tried, tip, err := b.DuePenalties(t.Context(), responder.AtBlock, 0, 10)
			b.must(err)
			b.chain.Fork(11)
			b.must(b.Disconnect(t.Context(), 11))
			b.mineEmpty(above)
			tried[0].TriedAt, tried[0].Accepted = tip.Height, true
			b.must(b.NoteTries(t.Context(), tip, tried))
			due, tip, err := b.DuePenalties(t.Context(), responder.AtBlock, 0, 10)
			b.must(err)
			if len(due) != 1 {
				t.Fatalf("%d penalties are due, want 1", len(due))
			}
			due[0].TriedAt = tip.Height
			b.must(b.NoteTries(t.Context(), tip, due))
			due, _, err = b.DuePenalties(t.Context(), responder.AtBlock, 0, 10)
			b.must(err)
			if len(due) != 0 {
				t.Error("a try on this branch does not count")
			}
		})
	}
}
