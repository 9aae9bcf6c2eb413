package chain_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
)

// disk is a store that may be impossible to write to.
type disk struct {
	tower.Store
	stuck *atomic.Bool
}

func (d disk) Update(ctx context.Context, f func(tower.Tx) error) error {
	if d.stuck.Load() {
		return tower.ErrStore
	}
	return d.Store.Update(ctx, f)
}

// A disk that turned read-only must not cost a channel: blocks can't be
// processed, but the breaches in them are answered, again and again.
func TestBreachesAreAnsweredWhileNothingCanBeWritten(t *testing.T) {
	inBubble(t, 10, func(r *rig) {
		r.start()
		r.register()
		first, second, third := r.add(1), r.add(2), r.add(3)
		r.stuck.Store(true)
		r.chain.Mine(first.dispute)
		r.settle()
		r.chain.Mine()
		r.chain.Mine(second.dispute)
		r.pass(2 * time.Minute)
		if r.published(first.penalty) == 0 || r.published(second.penalty) == 0 {
			t.Fatalf("published %d and %d times", r.published(first.penalty), r.published(second.penalty))
		}
		r.wantHeight(10)
		r.wantState(first, "watched")

		before := r.published(second.penalty)
		r.pass(time.Hour)
		if n := r.published(second.penalty) - before; n < 4 || n > 8 {
			t.Errorf("published %d times in an hour, want every ten minutes", n)
		}
		r.chain.Mine(third.dispute)
		r.pass(2 * time.Minute)
		if r.published(third.penalty) == 0 {
			t.Error("a later breach was not answered")
		}

		r.stuck.Store(false)
		r.pass(2 * time.Minute)
		r.wantTip()
		r.wantState(first, "pending, dispute at 11")
		r.wantState(second, "pending, dispute at 13")
		r.wantState(third, "pending, dispute at 14")
	})
}

func TestBreachesInANewBranchAreAnsweredWhileNothingCanBeWritten(t *testing.T) {
	inBubble(t, 10, func(r *rig) {
		r.start()
		r.register()
		b := r.add(1)
		r.stuck.Store(true)
		r.chain.Fork(8)
		r.chain.Mine(b.dispute)
		r.chain.MineEmpty(3)
		r.pass(2 * time.Minute)
		if r.published(b.penalty) == 0 {
			t.Error("the breach was not answered")
		}
		r.wantHeight(10)
		r.stuck.Store(false)
		r.pass(2 * time.Minute)
		r.wantTip()
		r.wantState(b, "pending, dispute at 9")
	})
}

// However many blocks wait, the tower is offered the first of them often.
func TestALongBacklogDoesNotDelayTheReturn(t *testing.T) {
	inOneBubble(t, 10, func(r *rig) {
		r.start()
		r.stuck.Store(true)
		r.chain.MineEmpty(120)
		r.settle()
		if n := r.chain.Calls(chaintest.BlockCall); n > 80 {
			t.Errorf("%d blocks were fetched at once", n)
		}
		r.pass(5 * time.Minute)
		r.stuck.Store(false)
		r.pass(2 * time.Minute)
		r.wantTip()
	})
}
