package chain_test

import (
	"strings"
	"testing"
	"time"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

func TestBlocksThatAreGoneAreRecorded(t *testing.T) {
	for name, wrap := range map[string]func(r *rig) chain.Source{
		"pruned":        func(r *rig) chain.Source { return r.source },
		"not to be had": func(r *rig) chain.Source { return wordless{r.chain} },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 10, func(r *rig) {
				r.source = wrap(r)
				r.start()
				r.register()
				before, after := r.add(1), r.add(2)
				r.chain.Mine(before.dispute)
				r.settle()
				r.stop()
				r.chain.MineEmpty(28)
				r.chain.Prune(r.chain.MineEmpty(1).Height) // 40
				r.chain.Mine(after.dispute)
				r.chain.Mine(before.penalty)
				r.start()
				r.pass(time.Hour)
				r.wantTip()
				r.wantState(after, "pending, dispute at 41")
				r.wantState(before, "confirmed at 42")
				stats := r.stats()
				if len(stats.Blind) != 1 || stats.Blind[0] != (tower.Range{From: 12, To: 39}) {
					t.Errorf("blind ranges %v, want 12 to 39", stats.Blind)
				}
				if !strings.Contains(r.log.String(), "level=ERROR") {
					t.Error("a gap was passed quietly")
				}
				if err := r.follower.Status().Err; err != nil {
					t.Errorf("behind the gap all is well, but: %v", err)
				}
				asked := r.chain.Calls(chaintest.BlockCall)
				for range 20 {
					r.settle()
				}
				if n := r.chain.Calls(chaintest.BlockCall) - asked; n > 20 {
					t.Errorf("what is gone was asked for again: %d calls", n)
				}
				// The gap is no place to find a fork across, but above it all goes on.
				r.chain.Fork(41)
				r.chain.MineEmpty(3)
				r.pass(time.Hour)
				r.wantTip()
				r.wantState(before, "pending, dispute at 11")
			})
		})
	}
}

// A backend that fails and comes back in the middle of the search must not
// make the tower pass blocks that are there.
func TestInvariant3AFlappingBackendIsNoGap(t *testing.T) {
	inOneBubble(t, 10, func(r *rig) {
		r.start()
		r.settle()
		r.chain.MineEmpty(20)
		r.chain.Fail(chaintest.BlockCall, 3, chain.ErrNoBlock)
		r.serve(1, func() {}) // the best block
		r.chain.Fail(chaintest.BlockCall, 3, chain.ErrNoBlock)
		r.settle()
		r.pass(time.Hour)
		r.wantTip()
		if blind := r.stats().Blind; len(blind) != 0 {
			t.Errorf("blocks %v were passed though they are there", blind)
		}
	})
}

// A reorg was noticed, and before the fork was found the source threw away what
// it must be compared with.
func TestAForkThatWasPrunedIsAGap(t *testing.T) {
	for name, wrap := range map[string]func(r *rig) chain.Source{
		"pruned":        func(r *rig) chain.Source { return r.source },
		"not to be had": func(r *rig) chain.Source { return wordless{r.chain} },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 20, func(r *rig) {
				r.source = wrap(r)
				r.start()
				r.chain.Fork(18)
				r.chain.MineEmpty(5)
				r.serve(1, r.down) // block 21, which does not stand on ours
				r.settle()
				r.chain.MineEmpty(37)
				r.chain.Prune(50)
				r.chain.Heal(chaintest.BlockCall)
				r.pass(time.Hour)
				r.wantTip()
				if err := r.follower.Status().Err; err != nil {
					t.Errorf("behind the gap all is well, but: %v", err)
				}
			})
		})
	}
}

func (r *rig) stats() tower.Stats {
	r.t.Helper()
	if err := r.tower.Claim(r.t.Context(), "regtest"); err != nil {
		r.t.Fatal(err)
	}
	info, err := r.tower.Info(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return info.Stats
}
