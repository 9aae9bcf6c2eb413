package chain_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// newPair joins two sources whose failures nobody reads.
func newPair(first, second chain.Source) *chain.Pair {
	return chain.NewPair(chain.Backend{Name: "first", Source: first}, chain.Backend{Name: "second", Source: second}, slog.New(slog.DiscardHandler))
}

func pruned(t *testing.T) *chaintest.Chain {
	t.Helper()
	c := chaintest.New()
	c.MineEmpty(5)
	c.Prune(4)
	return c
}

func TestAPairHasWhatEitherHas(t *testing.T) {
	whole := chaintest.New()
	whole.MineEmpty(5)
	down := chaintest.New()
	down.Fail(chaintest.TipCall, chaintest.Forever, errDown)
	down.Fail(chaintest.BlockCall, chaintest.Forever, errDown)
	down.Fail(chaintest.PublishCall, chaintest.Forever, errDown)
	for name, pair := range map[string]*chain.Pair{
		"first pruned": newPair(pruned(t), whole), "second pruned": newPair(whole, pruned(t)),
		"first down": newPair(down, whole), "second down": newPair(whole, down),
	} {
		if tip, err := pair.Tip(t.Context()); err != nil || tip.Height != 5 {
			t.Errorf("%s: tip %+v, %v", name, tip, err)
		}
		if _, err := pair.Block(t.Context(), 2); err != nil {
			t.Errorf("%s: block: %v", name, err)
		}
		if hash, err := pair.BlockHash(t.Context(), 2); err != nil || hash != whole.At(2).Hash {
			t.Errorf("%s: hash %v, %v", name, hash, err)
		}
		if err := pair.Publish(t.Context(), chaintest.Bytes(chaintest.Dispute(1))); err != nil {
			t.Errorf("%s: publish: %v", name, err)
		}
	}
}

// The follower passes blocks that are gone: one source's word is not enough
// while the other can't be asked.
func TestInvariant3APairMissesOnlyWhatBothMiss(t *testing.T) {
	down := chaintest.New()
	down.Fail(chaintest.BlockCall, chaintest.Forever, errDown)
	short := chaintest.New()
	for name, c := range map[string]struct {
		first, second chain.Source
		pruned, none  bool
	}{
		"down and pruned": {down, pruned(t), false, false},
		"pruned and down": {pruned(t), down, false, false},
		"down and short":  {down, short, false, false},
		"short and down":  {short, down, false, false},
		"pruned and both": {pruned(t), pruned(t), true, false},
		"none in either":  {short, short, false, true},
		"pruned or none":  {pruned(t), short, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newPair(c.first, c.second).Block(t.Context(), 2)
			if err == nil {
				t.Fatal("a block from nowhere")
			}
			if got := errors.Is(err, chain.ErrPruned); got != c.pruned {
				t.Errorf("pruned: %t, want %t: %v", got, c.pruned, err)
			}
			if got := errors.Is(err, chain.ErrNoBlock); got != c.none {
				t.Errorf("no block: %t, want %t: %v", got, c.none, err)
			}
		})
	}
}

// A tower over a node that prunes must get past a gap, too, where only the
// second source tells hashes.
func TestAPairTellsHashesThatEitherTells(t *testing.T) {
	pair := newPair(pruned(t), hasher{pruned(t)})
	if _, err := pair.BlockHash(t.Context(), 2); err != nil {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pair.BlockHash(cancelled, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
