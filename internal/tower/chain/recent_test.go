package chain_test

import (
	"fmt"
	"testing"
	"time"

	"vigil/internal/tower/chain/chaintest"
)

// An operator raises for how many blocks back appointments may come late: the
// tower looks those blocks up again, also for what it has accepted meanwhile.
func TestRaisingRecentBlocksFillsTheLargerWindow(t *testing.T) {
	for _, c := range []struct {
		blocks      int
		was, is     uint32
		interrupted bool
	}{
		{40, recent, 15, false}, {40, recent, 15, true}, {180, recent, 165, false}, {180, recent, 165, true}, {40, 1, 15, false},
	} {
		t.Run(fmt.Sprintf("from %d to %d, interrupted: %t", c.was, c.is, c.interrupted), func(t *testing.T) {
			inOneBubble(t, 10, func(r *rig) {
				at := func(n uint32) uint32 { return 10 + n }
				for n := range uint32(6) {
					r.chain.Mine(newBreach(n).dispute) // 11 to 16
				}
				r.chain.MineEmpty(c.blocks - 26)
				r.chain.Mine(newBreach(8).dispute)
				r.chain.MineEmpty(9)
				r.recent = c.was
				r.start()
				r.register()
				r.wantState(r.add(0), "watched")
				before := r.chain.Best().Height
				r.chain.Mine(newBreach(7).dispute)
				r.settle()
				r.stop()
				r.recent = c.is
				if c.interrupted {
					r.serve(4, r.down)
				}
				r.start()
				if c.interrupted {
					r.chain.MineEmpty(1)
					r.restart()
					r.chain.Heal(chaintest.BlockCall)
				}
				r.pass(10 * time.Minute)
				r.wantTip()
				r.wantState(r.add(7), "pending, dispute at %d", before+1)
				r.wantState(r.add(8), "pending, dispute at %d", before-9)
				lowest := r.chain.Best().Height - c.is + 1
				for n := range uint32(6) {
					if height := at(n) + 1; height >= lowest {
						r.wantState(r.add(n), "pending, dispute at %d", height)
					} else {
						r.wantState(r.add(n), "watched")
					}
				}
				if from := r.stats().RecentFrom; from != lowest {
					t.Errorf("late appointments are answered from %d on, want %d", from, lowest)
				}
			})
		})
	}
}

// A chain that has become shorter has recent blocks whose transactions were
// dropped when they were not.
func TestAShorterChainKeepsItsRecentBlocks(t *testing.T) {
	inOneBubble(t, 30, func(r *rig) {
		r.chain.Mine(newBreach(1).dispute) // 31
		r.chain.MineEmpty(9)
		r.start()
		r.settle()
		r.chain.Fork(35)
		r.chain.MineEmpty(1)
		r.pass(10 * time.Minute)
		r.wantTip()
		r.register()
		r.wantState(r.add(1), "pending, dispute at 31")
	})
}
