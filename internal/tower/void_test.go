package tower_test

import (
	"testing"

	"vigil/internal/tower/chain/chaintest"
)

// That a penalty spends an output that its dispute has not shows when the
// dispute itself is seen: also where a reorg moved it before a second look.
func TestAPenaltyOfNoOutputIsDroppedWhereverItsDisputeIsSeen(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	dispute := chaintest.Dispute(1)
	penalty := chaintest.Penalty(dispute, 0)
	penalty.TxIn[0].PreviousOutPoint.Index = 7
	a := alice.Appointment(dispute, penalty)
	b.mine(dispute)
	b.add(alice, a)
	if w := b.get(alice, 1); !w.Triggered {
		t.Fatal("a late appointment is judged by the id of its dispute")
	}
	b.chain.Fork(10)
	b.must(b.Disconnect(t.Context(), 10))
	b.mineEmpty(1)
	b.mine(dispute)
	if w := b.get(alice, 1); w.Triggered {
		t.Errorf("it is still answered: %+v", w.Tracker)
	}
}
