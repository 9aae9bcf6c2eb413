package chain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// view is a node of its own on a shared chain: it is on the branch that ends in
// its tip, and has thrown away what lies below pruned.
type view struct {
	*chaintest.Chain
	tip    atomic.Pointer[chain.Block]
	pruned atomic.Uint32
	down   atomic.Bool
}

func newView(c *chaintest.Chain, tip *chain.Block) *view {
	v := &view{Chain: c}
	v.tip.Store(tip)
	return v
}

func (v *view) Tip(context.Context) (chain.Tip, error) {
	if v.down.Load() {
		return chain.Tip{}, errDown
	}
	return chain.Tip{Network: "regtest", Height: v.tip.Load().Height}, nil
}

func (v *view) Block(_ context.Context, height uint32) ([]byte, error) {
	if v.down.Load() {
		return nil, errDown
	}
	raw, found := v.Raw(v.tip.Load(), height)
	switch {
	case !found:
		return nil, chain.ErrNoBlock
	case height < v.pruned.Load():
		return nil, chain.ErrPruned
	}
	return raw, nil
}

// inPair runs a test over two views of one chain of some blocks.
func inPair(t *testing.T, blocks int, f func(r *rig, first, second *view)) {
	t.Helper()
	inOneBubble(t, blocks, func(r *rig) {
		first, second := newView(r.chain, r.chain.Best()), newView(r.chain, r.chain.Best())
		r.source = newPair(first, second)
		f(r, first, second)
	})
}

// A node that was away and syncs, or one that hangs on a dead branch, must not
// take the tower back while the other knows better.
func TestAPairFollowsTheLongerChain(t *testing.T) {
	for name, swap := range map[string]bool{"the first is behind": false, "the second is behind": true} {
		t.Run(name, func(t *testing.T) {
			inPair(t, 10, func(r *rig, behind, ahead *view) {
				if swap {
					behind, ahead = ahead, behind
				}
				r.start()
				r.register()
				b := r.add(1)
				behind.down.Store(true)
				ahead.tip.Store(r.chain.Mine(b.dispute))
				r.pass(10 * time.Minute)
				r.wantTip()
				behind.down.Store(false)
				r.pass(10 * time.Minute)
				r.wantTip() // not back to 10
				stale := r.chain.Fork(10)
				behind.tip.Store(stale)
				ahead.tip.Store(r.chain.MineEmpty(3))
				r.pass(10 * time.Minute)
				r.wantTip()
				r.wantState(b, "pending, dispute at 0")
				behind.tip.Store(ahead.tip.Load())
				ahead.down.Store(true)
				r.pass(10 * time.Minute)
				r.wantTip()
				if err := r.follower.Status().Err; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What one node has thrown away the other will have, once it has synced.
func TestInvariant3APairWaitsForASourceThatSyncs(t *testing.T) {
	inPair(t, 10, func(r *rig, pruned, syncing *view) {
		r.start()
		r.register()
		b := r.add(1)
		r.stop()
		r.chain.Mine(b.dispute) // 11
		pruned.tip.Store(r.chain.MineEmpty(20))
		pruned.pruned.Store(20)
		r.start()
		for h := uint32(10); h <= 31; h++ {
			syncing.tip.Store(r.chain.At(h))
			r.pass(10 * time.Minute)
		}
		r.wantTip()
		r.wantWhole()
		r.wantState(b, "pending, dispute at 11")
		if blind := r.stats().Blind; len(blind) != 0 {
			t.Errorf("blocks %v were passed though they were to come", blind)
		}
	})
	// One that stands still is no reason to watch nothing for ever.
	inPair(t, 10, func(r *rig, pruned, stuck *view) {
		r.start()
		r.stop()
		pruned.tip.Store(r.chain.MineEmpty(20))
		pruned.pruned.Store(20)
		r.start()
		r.pass(10 * time.Minute)
		r.wantHeight(10)
		r.pass(2 * time.Hour)
		r.wantTip()
		if blind := fmt.Sprint(r.stats().Blind); blind != "[{11 19}]" || stuck.tip.Load().Height != 10 {
			t.Errorf("blind ranges %v", blind)
		}
	})
}

// lie answers for a source, or with nil, nil lets it speak itself.
type lie func(height uint32) (raw []byte, err error)

// liar serves other blocks than it is asked for, while there is a lie.
type liar struct {
	chain.Source
	lie   atomic.Pointer[lie]
	calls atomic.Int64
}

func (l *liar) tell(what lie) { l.lie.Store(&what) }

func (l *liar) Block(ctx context.Context, height uint32) ([]byte, error) {
	l.calls.Add(1)
	if lie := l.lie.Load(); lie != nil {
		if raw, err := (*lie)(height); raw != nil || err != nil {
			return raw, err
		}
	}
	return l.Source.Block(ctx, height)
}

// hashingLiar tells hashes that fit.
type hashingLiar struct{ *liar }

func (h hashingLiar) BlockHash(ctx context.Context, height uint32) (chainhash.Hash, error) {
	raw, err := h.Block(ctx, height)
	if err != nil {
		return chainhash.Hash{}, err
	}
	return chainhash.DoubleHashH(raw[:80]), nil
}

// inLies runs a test over a source of either kind that may lie.
func inLies(t *testing.T, blocks int, f func(r *rig, l *liar)) {
	t.Helper()
	t.Run("blocks only", func(t *testing.T) {
		inOneBubble(t, blocks, func(r *rig) {
			l := &liar{Source: r.chain}
			r.source = l
			f(r, l)
		})
	})
	t.Run("hashes, too", func(t *testing.T) {
		inOneBubble(t, blocks, func(r *rig) {
			l := &liar{Source: r.chain}
			r.source = hashingLiar{l}
			f(r, l)
		})
	})
}

// A backend that lies about one height holds the tower up there, at most: it
// believes nothing that does not stand on what it knows, and goes on as soon
// as the truth is told.
func TestInvariant3ASourceThatLiesAboutOneHeight(t *testing.T) {
	foreign := chaintest.New() // another network: nothing in common but the genesis block
	foreign.MineEmpty(1)
	foreign.Fork(0)
	foreign.MineEmpty(100)
	raw := func(c *chaintest.Chain, tip *chain.Block, height uint32) []byte {
		raw, _ := c.Raw(tip, height)
		return raw
	}
	lies := []struct {
		name string
		tell func(r *rig, dead *chain.Block, height uint32) []byte
	}{
		{"the block below", func(r *rig, _ *chain.Block, h uint32) []byte { return raw(r.chain, r.chain.Best(), h-1) }},
		{"a block far below", func(r *rig, _ *chain.Block, _ uint32) []byte { return raw(r.chain, r.chain.Best(), 2) }},
		{"a dead branch's block", func(r *rig, dead *chain.Block, h uint32) []byte { return raw(r.chain, dead, h) }},
		{"another network's block", func(_ *rig, _ *chain.Block, h uint32) []byte { return raw(foreign, foreign.Best(), h) }},
	}
	for above := range uint32(4) { // the tower is at 10, the source at 13
		t.Run(fmt.Sprint("about block ", 9+above), func(t *testing.T) {
			inLies(t, 6, func(r *rig, l *liar) {
				r.start()
				r.register()
				for i, lie := range lies {
					base := r.chain.Best().Height
					dead := r.chain.MineEmpty(7)
					r.chain.Fork(base)
					r.chain.MineEmpty(4)
					r.settle()
					b, about := r.add(uint32(i)), base+3+above
					l.tell(func(height uint32) ([]byte, error) {
						if height != about {
							return nil, nil
						}
						return lie.tell(r, dead, height), nil
					})
					disputed := r.chain.Mine(b.dispute).Height
					r.chain.MineEmpty(2)
					r.settle()
					before := l.calls.Load()
					r.pass(10 * time.Minute)
					if n := l.calls.Load() - before; n > 300 {
						t.Errorf("%s: %d calls in ten minutes", lie.name, n)
					}
					r.wantOurs()
					if above > 1 && r.follower.Status().Err == nil {
						t.Errorf("%s: the follower does not tell that it can't go on", lie.name)
					}
					l.lie.Store(nil)
					r.pass(10 * time.Minute)
					r.wantTip()
					r.wantWhole()
					r.wantState(b, "pending, dispute at %d", disputed)
					if err := r.follower.Status().Err; err != nil {
						t.Errorf("%s: after all is well: %v", lie.name, err)
					}
				}
				if blind := r.stats().Blind; len(blind) != 0 {
					t.Errorf("blocks %v were passed though they are there", blind)
				}
			})
		})
	}
}

// wantOurs checks that what the tower remembers is the source's true chain, as
// far as it goes.
func (r *rig) wantOurs() {
	r.t.Helper()
	for h := uint32(1); h <= r.chain.Best().Height; h++ {
		got, found, err := r.tower.Header(r.t.Context(), h)
		if err != nil || found && got.Hash != r.chain.At(h).Hash {
			r.t.Errorf("header %d is %v (%v), want %v", h, got.Hash, err, r.chain.At(h).Hash)
		}
	}
}

// A block that is denied for good can't be told from one that is gone. What is
// denied for a while is not skipped, and a skipped one is shown.
func TestASourceThatDeniesOneBlock(t *testing.T) {
	inLies(t, 10, func(r *rig, l *liar) {
		r.start()
		l.tell(func(height uint32) ([]byte, error) {
			if height == 12 {
				return nil, chain.ErrNoBlock
			}
			return nil, nil
		})
		r.chain.MineEmpty(5)
		r.settle()
		r.wantHeight(11) // the first no proves nothing
		r.pass(time.Hour)
		r.wantTip()
		if blind := fmt.Sprint(r.stats().Blind); blind != "[{12 12}]" || !strings.Contains(r.log.String(), "level=ERROR") {
			t.Errorf("blind ranges %v, log:\n%s", blind, r.log.String())
		}
		l.lie.Store(nil)
		r.chain.MineEmpty(1)
		r.pass(time.Hour)
		r.wantTip()
	})
}

// flapper is a node that is on another branch at each call.
type flapper struct {
	views [2]*view
	calls atomic.Int64
	still atomic.Bool
}

func (f *flapper) one() *view {
	n := f.calls.Add(1)
	if f.still.Load() {
		return f.views[0]
	}
	return f.views[n%2]
}

func (f *flapper) Tip(ctx context.Context) (chain.Tip, error) { return f.one().Tip(ctx) }

func (f *flapper) Block(ctx context.Context, height uint32) ([]byte, error) {
	return f.one().Block(ctx, height)
}

func (f *flapper) Publish(ctx context.Context, tx []byte) error {
	return f.views[0].Publish(ctx, tx)
}

type hashingFlapper struct{ *flapper }

func (h hashingFlapper) BlockHash(ctx context.Context, height uint32) (chainhash.Hash, error) {
	raw, err := h.Block(ctx, height)
	if err != nil {
		return chainhash.Hash{}, err
	}
	return chainhash.DoubleHashH(raw[:80]), nil
}

func TestASourceThatIsOnAnotherBranchAtEachCall(t *testing.T) {
	for name, lengths := range map[string][2]int{
		"of one length": {1, 1}, "the other longer": {2, 3}, "much longer": {12, 3},
	} {
		for _, hashes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hashes: %t", name, hashes), func(t *testing.T) {
				inOneBubble(t, 10, func(r *rig) {
					other := newView(r.chain, r.chain.MineEmpty(lengths[1]))
					r.chain.Fork(10)
					f := &flapper{}
					f.still.Store(true)
					f.views = [2]*view{newView(r.chain, r.chain.At(10)), other}
					r.source = f
					if hashes {
						r.source = hashingFlapper{f}
					}
					r.start()
					r.register()
					b := r.add(1)
					r.chain.Mine(b.dispute)
					r.chain.MineEmpty(lengths[0] - 1)
					f.views[0].tip.Store(r.chain.Best())
					f.still.Store(false)
					for range 10 {
						r.settle()
						r.pass(time.Minute)
					}
					if n := f.calls.Load(); n > 600 {
						t.Errorf("%d calls in ten minutes", n)
					}
					f.still.Store(true)
					r.pass(10 * time.Minute)
					r.wantTip()
					r.wantWhole()
					r.wantState(b, "pending, dispute at 11")
					if err := r.follower.Status().Err; err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("after all is well: %v", err)
					}
				})
			})
		}
	}
}
