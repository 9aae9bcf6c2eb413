package chain_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// inBackends runs a test over a Pair of two backends of one chain, of which each
// may fail by itself.
func inBackends(t *testing.T, f func(r *rig, pair *chain.Pair, first, second *view)) {
	t.Helper()
	inOneBubble(t, 3, func(r *rig) {
		first, second := newView(r.chain, r.chain.Best()), newView(r.chain, r.chain.Best())
		log := slog.New(slog.NewTextHandler(&r.log, nil))
		pair := chain.NewPair(chain.Backend{Name: "bitcoind", Source: first}, chain.Backend{Name: "lightningd", Source: second}, log)
		r.source = pair
		f(r, pair, first, second)
	})
}

// wantFailing checks which backends are said to fail: one name, or "" for none.
func (r *rig) wantFailing(pair *chain.Pair, when, name string) {
	r.t.Helper()
	list := pair.Failing()
	if name == "" && len(list) > 0 || name != "" && (len(list) != 1 || list[0].Name != name || !errors.Is(list[0].Err, errDown)) {
		r.t.Errorf("%s: failing are %+v, want %q", when, list, name)
	}
	if err := r.follower.Status().Err; err != nil {
		r.t.Errorf("%s: the chain can't be followed: %v", when, err)
	}
}

// The other one guards alone, and if that fails, too, nobody does: whoever has set
// up two must hear of one that never worked.
func TestABackendThatNeverWorkedIsTold(t *testing.T) {
	for name, broken := range map[string]int{"bitcoind": 0, "lightningd": 1} {
		inBackends(t, func(r *rig, pair *chain.Pair, first, second *view) {
			[]*view{first, second}[broken].down.Store(true)
			r.start()
			r.wantFailing(pair, "at once", name)
			r.pass(time.Hour)
			r.wantFailing(pair, "after an hour", name)
			if f := pair.Failing()[0]; !f.Never || time.Since(f.Since) < time.Hour {
				r.t.Errorf("it says %+v", f)
			}
			if log := r.log.String(); strings.Count(log, "backend="+name) != 1 {
				r.t.Errorf("the log does not name %s once:\n%s", name, log)
			}
		})
	}
}

func TestABackendThatFailsForMinutesIsTold(t *testing.T) {
	inBackends(t, func(r *rig, pair *chain.Pair, first, _ *view) {
		r.start()
		r.wantFailing(pair, "at first", "")
		first.down.Store(true)
		r.pass(2 * time.Minute)
		r.wantFailing(pair, "while it may be a restart", "")
		r.pass(3 * time.Minute)
		r.wantFailing(pair, "after minutes", "bitcoind")
		if f := pair.Failing()[0]; f.Never {
			r.t.Errorf("it says %+v", f)
		}
		first.down.Store(false)
		r.pass(2 * time.Minute)
		r.wantFailing(pair, "when it is back", "")
		for range 30 {
			first.down.Store(true)
			r.pass(2 * time.Minute)
			first.down.Store(false)
			r.pass(2 * time.Minute)
			r.wantFailing(pair, "while it comes and goes", "")
		}
	})
}

// blockless tells its tip and gives no block while it is shut: a whitelist may be why.
type blockless struct {
	chain.Source
	shut atomic.Bool
}

func (b *blockless) Block(ctx context.Context, height uint32) ([]byte, error) {
	if b.shut.Load() {
		return nil, errDown
	}
	return b.Source.Block(ctx, height)
}

// inBlockless runs a test over a Pair of two of them, with a tower that has started.
func inBlockless(t *testing.T, f func(r *rig, pair *chain.Pair, first, second *blockless)) {
	t.Helper()
	inOneBubble(t, 3, func(r *rig) {
		first, second := &blockless{Source: r.chain}, &blockless{Source: r.chain}
		pair := newPair(first, second)
		r.source = pair
		r.start()
		f(r, pair, first, second)
	})
}

func TestABackendThatGivesNoBlocksIsTold(t *testing.T) {
	inBlockless(t, func(r *rig, pair *chain.Pair, first, second *blockless) {
		first.shut.Store(true)
		r.pass(10 * time.Minute)
		r.wantFailing(pair, "after minutes", "first")
		second.shut.Store(true)
		r.pass(10 * time.Minute)
		first.shut.Store(false)
		r.pass(10 * time.Minute)
		// The second one is not asked for blocks any more, and nobody knows whether
		// it would give them: that is no news for ever.
		r.wantFailing(pair, "once the first gives them again", "second")
		r.pass(time.Hour)
		r.wantFailing(pair, "an hour later", "")
	})
}

// hashesOnly is a backend as bitcoind is that tells hashes and gives no blocks.
type hashesOnly struct{ hasher }

func (hashesOnly) Block(context.Context, uint32) ([]byte, error) { return nil, errDown }

func TestABackendThatGivesHashesOnlyIsTold(t *testing.T) {
	inOneBubble(t, 3, func(r *rig) {
		pair := newPair(hashesOnly{hasher{r.chain}}, r.chain)
		r.source = pair
		r.start()
		for range 12 {
			r.pass(10 * time.Minute)
			r.chain.MineEmpty(1)
			r.settle()
		}
		r.wantFailing(pair, "after two hours of blocks that it did not give", "first")
		if a := pair.Answers(r.t.Context()); !errors.Is(a[0].Err, errDown) || a[1].Err != nil {
			r.t.Errorf("they answer %+v", a)
		}
	})
}

// Whoever fails for a moment, and is not asked again for long, works as far as anybody
// knows.
func TestTwoMomentsAreNoLastingFailure(t *testing.T) {
	inBlockless(t, func(r *rig, pair *chain.Pair, first, second *blockless) {
		r.pass(10 * time.Minute)
		for range 2 {
			first.shut.Store(true)
			second.shut.Store(true)
			r.chain.MineEmpty(1)
			r.settle()
			first.shut.Store(false)
			second.shut.Store(false)
			r.pass(50 * time.Minute)
		}
		r.wantFailing(pair, "after two moments", "")
	})
}

// A self-test wants to know now, also of one that is left alone after a failure.
func TestBothBackendsAnswerForThemselves(t *testing.T) {
	inBackends(t, func(r *rig, pair *chain.Pair, first, second *view) {
		r.start()
		first.down.Store(true)
		r.pass(90 * time.Second)
		first.down.Store(false)
		second.down.Store(true)
		got := pair.Answers(r.t.Context())
		if a := got[0]; a.Name != "bitcoind" || a.Err != nil || a.Tip.Height != 3 {
			r.t.Errorf("the first says %+v", a)
		}
		if a := got[1]; a.Name != "lightningd" || !errors.Is(a.Err, errDown) {
			r.t.Errorf("the second says %+v", a)
		}
	})
}

func TestWhereBothBackendsFailEachIsNamed(t *testing.T) {
	down := chaintest.New()
	down.Fail(chaintest.TipCall, chaintest.Forever, errDown)
	_, err := newPair(down, down).Tip(t.Context())
	if err == nil || !strings.Contains(err.Error(), "first: ") || !strings.Contains(err.Error(), "; second: ") {
		t.Errorf("it says %v", err)
	}
}
