package chain_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

var errDown = errors.New("backend is down")

func TestFirstStartFillsTheWindow(t *testing.T) {
	for _, blocks := range []int{1, 3, window + 6} {
		inBubble(t, blocks, func(r *rig) {
			r.start()
			r.wantTip()
			r.wantWhole()
		})
	}
}

func TestAFirstStartOnGenesis(t *testing.T) {
	inBubble(t, 0, func(r *rig) {
		r.start()
		r.wantTip()
		r.register()
		b := r.add(1)
		r.chain.Mine(b.dispute)
		r.settle()
		r.wantState(b, "pending, dispute at 1")
	})
}

// Every way in which a source can fail, each for ever.
func faults(c *chaintest.Chain) map[string]func() {
	change := func(f func([]byte) []byte) func() { return func() { c.Corrupt(chaintest.Forever, f) } }
	return map[string]func(){
		"no tip":         func() { c.Fail(chaintest.TipCall, chaintest.Forever, errDown) },
		"a hanging tip":  func() { c.Stall(chaintest.TipCall, chaintest.Forever) },
		"no blocks":      func() { c.Fail(chaintest.BlockCall, chaintest.Forever, errDown) },
		"blocks unknown": func() { c.Fail(chaintest.BlockCall, chaintest.Forever, chain.ErrNoBlock) },
		"all pruned":     func() { c.Fail(chaintest.BlockCall, chaintest.Forever, chain.ErrPruned) },
		"hanging blocks": func() { c.Stall(chaintest.BlockCall, chaintest.Forever) },
		"cut blocks":     change(func(raw []byte) []byte { return raw[:len(raw)-1] }),
		"empty blocks":   change(func([]byte) []byte { return nil }),
		"unsolved blocks": change(func(raw []byte) []byte {
			for i := range raw[4:36] { // 32 chances to miss the target
				raw[4+i]++
			}
			return raw
		}),
		"changed transactions": change(func(raw []byte) []byte { raw[len(raw)-1]++; return raw }),
		"another network":      func() { c.SetNetwork("main") },
	}
}

func TestInvariant3TheTipNeverPassesAnUnprocessedBlock(t *testing.T) {
	for name := range faults(nil) {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 8, func(r *rig) {
				r.start()
				r.register()
				b := r.add(1)
				faults(r.chain)[name]()
				r.chain.Mine(b.dispute)
				r.chain.MineEmpty(3)
				r.settle()
				r.pass(time.Hour)
				r.wantHeight(8)
				if r.follower.Status().Err == nil {
					t.Error("the follower does not tell that it can't go on")
				}
				r.restart()
				r.wantHeight(8)
				r.add(2) // invariant 9: accepting does not wait for the chain
				for _, call := range []chaintest.Call{chaintest.TipCall, chaintest.BlockCall} {
					r.chain.Heal(call)
				}
				r.chain.SetNetwork("regtest")
				r.pass(time.Hour)
				r.wantTip()
				r.wantWhole()
				r.wantState(b, "pending, dispute at 9")
				if err := r.follower.Status().Err; err != nil {
					t.Errorf("after all is well: %v", err)
				}
			})
		})
	}
}

func TestTheErrorNamesWhatIsWrong(t *testing.T) {
	inBubble(t, 3, func(r *rig) {
		r.chain.SetNetwork(strings.Repeat("x", 1000))
		r.start()
		if err := r.follower.Status().Err; !errors.Is(err, chain.ErrWrongNetwork) || len(err.Error()) > 200 {
			r.t.Errorf("got %v, want %v", err, chain.ErrWrongNetwork)
		}
	})
	if _, err := chain.NewFollower(chaintest.New(), nil, chain.Config{Network: "moon"}); !errors.Is(err, chain.ErrUnknownNetwork) {
		t.Errorf("got %v, want %v", err, chain.ErrUnknownNetwork)
	}
}

func TestCatchUpScansEveryBlock(t *testing.T) {
	inBubble(t, 5, func(r *rig) {
		r.start()
		r.register()
		var breaches []breach
		for n := range uint32(30) {
			breaches = append(breaches, r.add(n))
		}
		r.stop()
		for _, b := range breaches {
			r.chain.Mine(b.dispute)
		}
		r.start()
		r.wantTip()
		for n, b := range breaches {
			r.wantState(b, "pending, dispute at %d", 6+n)
		}
	})
}

// reorgs replace the last blocks of a chain of ten by others.
var reorgs = map[string]struct {
	replaced, by int
}{
	"one block by one":    {1, 1},
	"one block by two":    {1, 2},
	"three by three":      {3, 3},
	"three by four":       {3, 4},
	"two by many":         {2, 15},
	"three by one":        {3, 1},
	"three by none":       {3, 0},
	"all but the genesis": {9, 10},
}

func TestReorgs(t *testing.T) {
	for name, reorg := range reorgs {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 10, func(r *rig) {
				r.start()
				r.chain.Fork(uint32(10 - reorg.replaced))
				r.chain.MineEmpty(reorg.by)
				r.settle()
				r.wantTip()
				r.wantWhole()
			})
			inBubble(t, 10, func(r *rig) {
				r.start()
				r.stop()
				r.chain.Fork(uint32(10 - reorg.replaced))
				r.chain.MineEmpty(reorg.by)
				r.start()
				r.wantTip()
				r.wantWhole()
			})
		})
	}
}

func TestInvariant4EveryBlockOfANewBranchIsScanned(t *testing.T) {
	for height := uint32(6); height <= 14; height++ {
		inOneBubble(t, 10, func(r *rig) {
			r.start()
			r.register()
			b := r.add(1)
			r.chain.Fork(5)
			for h := uint32(6); h <= 14; h++ {
				if h == height {
					r.chain.Mine(b.dispute)
				} else {
					r.chain.MineEmpty(1)
				}
			}
			r.settle()
			r.wantTip()
			r.wantState(b, "pending, dispute at %d", height)
		})
	}
}

func TestASourceThatGoesBackAndForth(t *testing.T) {
	inBubble(t, 10, func(r *rig) {
		r.start()
		first := r.chain.Fork(8)
		second := r.chain.MineEmpty(2)
		for _, tip := range []*chain.Block{second, first, second, first} {
			r.chain.Switch(tip)
			r.settle()
			r.wantTip()
			r.wantWhole()
		}
	})
}

// Without a hint, too, and where only whole blocks tell.
func TestASameHeightReorgIsFoundInTheEnd(t *testing.T) {
	inBubble(t, 10, func(r *rig) {
		r.start()
		r.chain.Fork(9)
		r.chain.MineEmpty(1)
		r.pass(time.Hour)
		r.wantTip()
	})
}

// Whole blocks go through the lane that lightningd itself needs.
func TestANewBlockIsFetchedOnce(t *testing.T) {
	inOneBubble(t, 10, func(r *rig) {
		r.start()
		r.settle()
		before := r.chain.Calls(chaintest.BlockCall)
		r.chain.MineEmpty(1)
		r.settle()
		r.wantTip()
		if n := r.chain.Calls(chaintest.BlockCall) - before; n != 1 {
			t.Errorf("%d blocks were fetched for a new one", n)
		}
	})
}

// serve lets n more calls for a block pass before a fault begins.
func (r *rig) serve(n int, fault func()) {
	r.chain.Corrupt(n, func(raw []byte) []byte { return raw })
	fault()
}

func (r *rig) down() { r.chain.Fail(chaintest.BlockCall, chaintest.Forever, errDown) }

func TestReorgDuringBackfill(t *testing.T) {
	for name, fork := range map[string]uint32{
		"above what is known": 38, "at its lowest": 36, "just below": 35, "below": 30, "far below": 3,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 40, func(r *rig) {
				r.serve(5, r.down) // blocks 40 to 36
				r.start()
				r.wantHeight(40)
				r.register()
				b := r.add(1)
				r.chain.Fork(fork)
				r.chain.Mine(b.dispute)
				for r.chain.Best().Height < 43 {
					r.chain.MineEmpty(1)
				}
				r.pass(time.Hour)
				r.add(2) // there is a height to accept at, whatever happens
				r.chain.Heal(chaintest.BlockCall)
				r.pass(time.Hour)
				r.wantTip()
				r.wantWhole()
				r.wantState(b, "pending, dispute at %d", fork+1)
			})
		})
	}
}

// A tower that is young has little to find a fork by, and must not forget for
// that what it has promised.
func TestInvariant4AForkBelowAYoungTowerLeavesNoGap(t *testing.T) {
	inOneBubble(t, 10, func(r *rig) {
		r.serve(1, r.down)
		r.start()
		r.register()
		b := r.add(1)
		r.stop()
		r.chain.Heal(chaintest.BlockCall)
		r.chain.Fork(9)
		r.chain.MineEmpty(3)
		r.chain.Mine(b.dispute) // 13
		r.chain.MineEmpty(window + 20)
		r.serve(20, r.down)
		r.start()
		r.add(2) // invariant 9
		r.chain.Heal(chaintest.BlockCall)
		r.pass(time.Hour)
		r.wantTip()
		r.wantState(b, "pending, dispute at 13")
	})
}

func TestADeepForkStopsLoudlyAndRecovers(t *testing.T) {
	inOneBubble(t, window+6, func(r *rig) {
		r.start()
		r.register()
		was := r.chain.Fork(3)
		r.chain.MineEmpty(window + 10)
		r.settle()
		r.wantHeight(window + 6)
		if err := r.follower.Status().Err; !errors.Is(err, chain.ErrDeepFork) {
			t.Errorf("got %v, want %v", err, chain.ErrDeepFork)
		}
		b := r.add(1)
		r.wantState(b, "watched")
		r.chain.Switch(was)
		r.chain.Mine(b.dispute)
		r.pass(2 * time.Minute)
		r.wantTip()
		r.wantState(b, "pending, dispute at %d", window+7)
	})
}

// A node that syncs anew has little for a while.
func TestASourceThatStartsAllOver(t *testing.T) {
	inOneBubble(t, window+6, func(r *rig) {
		r.start()
		was := r.chain.Fork(0)
		r.settle()
		r.wantHeight(window + 6)
		if err := r.follower.Status().Err; !errors.Is(err, chain.ErrDeepFork) {
			t.Errorf("got %v, want %v", err, chain.ErrDeepFork)
		}
		r.chain.Switch(was)
		r.chain.MineEmpty(1)
		r.pass(2 * time.Minute)
		r.wantTip()
	})
}

// twoFaced answers heights above a fork from one branch and all else from
// another, as two nodes behind one address do.
type twoFaced struct {
	chain.Source
	other *chaintest.Chain
	from  atomic.Uint32
	calls int
	stop  func()
}

func (s *twoFaced) Block(ctx context.Context, height uint32) ([]byte, error) {
	if s.calls++; s.calls > 5000 {
		s.stop()
		return nil, errDown
	}
	if height >= s.from.Load() {
		return s.other.Block(ctx, height)
	}
	return s.Source.Block(ctx, height)
}

func TestATwoFacedSourceIsAskedSlowly(t *testing.T) {
	inBubble(t, 10, func(r *rig) {
		faced := &twoFaced{Source: r.source, other: chaintest.New()}
		faced.from.Store(11)
		faced.stop = func() { t.Error("the source is asked over and over without a pause") }
		faced.other.MineEmpty(5)
		faced.other.Fork(0)
		faced.other.MineEmpty(15)
		r.source = faced
		r.start()
		r.chain.MineEmpty(3)
		r.pass(time.Hour)
		r.wantHeight(10)
		faced.from.Store(1000)
		r.pass(time.Hour)
		r.wantTip()
	})
}

func TestInvariant9AcceptingNeverWaitsForTheChain(t *testing.T) {
	for _, name := range []string{"hanging blocks", "no tip", "another network"} {
		t.Run(name, func(t *testing.T) {
			inOneBubble(t, 8, func(r *rig) {
				r.start()
				faults(r.chain)[name]()
				r.chain.Stall(chaintest.PublishCall, chaintest.Forever)
				r.chain.MineEmpty(5)
				r.settle()
				r.register()
				r.wantState(r.add(1), "watched")
				r.restart()
				r.wantState(r.add(2), "watched")
			})
		})
	}
}
