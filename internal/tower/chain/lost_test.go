package chain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// While the tower was away, its branch was left and the source threw blocks
// away: below the fork, above it, at our tip, above our tip. What was decided
// on the dead branch must not be taken for decided.
func TestAForkAtTheEdgeOfWhatIsPruned(t *testing.T) {
	for edge := uint32(17); edge <= 21; edge++ {
		for name, wrap := range map[string]func(r *rig) chain.Source{
			"no block":     func(r *rig) chain.Source { return wordless{r.chain} },
			"pruned":       func(r *rig) chain.Source { return r.chain },
			"hashes, only": func(r *rig) chain.Source { return hasher{r.chain} },
		} {
			t.Run(fmt.Sprintf("%s below %d", name, edge), func(t *testing.T) {
				inOneBubble(t, 14, func(r *rig) {
					r.source = wrap(r)
					r.start()
					r.register()
					b := r.add(1)
					r.chain.Mine(b.dispute)
					r.chain.MineEmpty(3)
					r.chain.Mine(b.penalty)
					r.chain.MineEmpty(1) // 20
					r.settle()
					r.wantState(b, "confirmed at 19")
					r.stop()
					r.chain.Fork(17)
					r.chain.DropMempool()
					r.chain.MineEmpty(8)
					r.chain.Prune(edge)
					r.start()
					r.pass(20 * time.Minute)
					r.wantTip()
					if err := r.follower.Status().Err; err != nil {
						t.Errorf("the follower says %v", err)
					}
					if got := r.state(b); !strings.HasPrefix(got, "pending") {
						t.Errorf("the penalty is out of the chain, and the breach is %s", got)
					}
					_, hashes := r.source.(hasher) // of pruned blocks, too
					if blind := r.stats().Blind; (len(blind) > 0) != (edge > 18 || edge > 17 && !hashes) {
						t.Errorf("blind ranges %v", blind)
					}
					if n := len(r.chain.Mempool()); n == 0 {
						t.Error("the penalty was not published again")
					}
					at := r.chain.Mine(b.penalty).Height
					r.pass(20 * time.Minute)
					r.wantTip()
					r.wantState(b, "confirmed at %d", at)
				})
			})
		}
	}
}

// A tower that has just begun remembers one block, and that one is left and
// thrown away.
func TestAForkOfAllThatIsRememberedAndPruned(t *testing.T) {
	inBubble(t, 20, func(r *rig) {
		r.serve(1, r.down)
		r.start()
		r.register()
		b := r.add(1)
		r.stop()
		r.chain.Heal(chaintest.BlockCall)
		r.chain.Fork(18)
		r.chain.MineEmpty(2)
		r.chain.Prune(21)
		r.chain.Mine(b.dispute) // 21
		r.chain.MineEmpty(3)
		r.start()
		r.pass(time.Hour)
		r.wantTip()
		r.wantState(b, "pending, dispute at 21")
		if err := r.follower.Status().Err; err != nil {
			t.Errorf("the follower says %v", err)
		}
	})
}

// What counts as gone may come back: the window is filled then, without a
// restart.
func TestTheWindowIsFilledWhenOldBlocksComeBack(t *testing.T) {
	inBubble(t, 20, func(r *rig) {
		r.chain.Prune(15)
		r.start()
		r.settle()
		r.pass(time.Hour)
		r.chain.Prune(0)
		r.pass(6 * time.Hour)
		r.wantTip()
		r.wantWhole()
	})
}

// A source that shrinks and grows again while it is being read, and one whose
// calls hang in the middle of that.
func TestASourceThatShrinksWhileItIsRead(t *testing.T) {
	for name, hang := range map[string]bool{"shrinks": false, "hangs": true} {
		for shrunk := uint32(2); shrunk <= 14; shrunk += 6 {
			t.Run(fmt.Sprintf("%s to %d", name, shrunk), func(t *testing.T) {
				inBubble(t, 10, func(r *rig) {
					r.start()
					r.register()
					b := r.add(1)
					if hang {
						r.serve(2, func() { r.chain.Stall(chaintest.BlockCall, 3) })
					} else {
						r.serve(2, func() { r.chain.Fail(chaintest.BlockCall, 5, chain.ErrNoBlock) })
					}
					was := r.chain.MineEmpty(6)
					r.settle()
					r.chain.Fork(shrunk)
					r.settle()
					r.pass(2 * time.Minute)
					r.chain.Heal(chaintest.BlockCall)
					r.pass(10 * time.Minute)
					r.wantTip()
					r.chain.Switch(was)
					r.chain.Mine(b.dispute)
					r.pass(10 * time.Minute)
					r.wantTip()
					r.wantWhole()
					r.wantState(b, "pending, dispute at 17")
					if blind := r.stats().Blind; len(blind) != 0 {
						t.Errorf("blocks %v were passed though they are there", blind)
					}
				})
			})
		}
	}
}
