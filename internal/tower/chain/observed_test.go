package chain_test

import (
	"errors"
	"testing"
	"time"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

type told struct {
	what chain.Call
	err  error
}

// TestAnObservedSourceTellsEachCall and answers as the source itself does.
func TestAnObservedSourceTellsEachCall(t *testing.T) {
	c := chaintest.New()
	c.MineEmpty(3)
	var calls []told
	tell := func(what chain.Call, err error, took time.Duration) {
		if calls = append(calls, told{what, err}); took < 0 {
			t.Errorf("%s took %v", what, took)
		}
	}
	want := func(want ...told) {
		t.Helper()
		if len(calls) != len(want) {
			t.Fatalf("told of %v, want %v", calls, want)
		}
		for i := range want {
			if calls[i].what != want[i].what || !errors.Is(calls[i].err, want[i].err) {
				t.Errorf("told of %v, want %v", calls[i], want[i])
			}
		}
		calls = nil
	}
	s := chain.Observe(hasher{c}, tell)
	if tip, err := s.Tip(t.Context()); err != nil || tip.Height != 3 {
		t.Errorf("tip %v, %v", tip, err)
	}
	if _, err := s.Block(t.Context(), 9); !errors.Is(err, chain.ErrNoBlock) {
		t.Errorf("a block that is not there: %v", err)
	}
	if hash, err := s.(chain.BlockHasher).BlockHash(t.Context(), 2); err != nil || hash != c.At(2).Hash {
		t.Errorf("hash %v, %v", hash, err)
	}
	want(told{chain.CallTip, nil}, told{chain.CallBlock, chain.ErrNoBlock}, told{chain.CallHash, nil})
	c.Fail(chaintest.PublishCall, 1, errDown)
	for _, fails := range []error{errDown, nil} {
		if err := s.Publish(t.Context(), chaintest.Bytes(chaintest.Dispute(1))); !errors.Is(err, fails) {
			t.Errorf("publish: %v, want %v", err, fails)
		}
	}
	want(told{chain.CallPublish, errDown}, told{chain.CallPublish, nil})
}

type wide struct{ *chaintest.Chain }

func (wide) Lanes() int { return 7 }

// TestAnObservedSourceCanWhatTheSourceCan: no more, no less.
func TestAnObservedSourceCanWhatTheSourceCan(t *testing.T) {
	c, tell := chaintest.New(), func(chain.Call, error, time.Duration) {}
	for _, source := range []struct {
		chain.Source
		hashes bool
		lanes  int
	}{{c, false, 1}, {hasher{c}, true, 1}, {wide{c}, false, 7}} {
		s := chain.Observe(source.Source, tell)
		if _, hashes := s.(chain.BlockHasher); hashes != source.hashes {
			t.Errorf("%T tells hashes: %v", source.Source, hashes)
		}
		if lanes := s.(chain.Wide).Lanes(); lanes != source.lanes {
			t.Errorf("%T has %d lanes, want %d", source.Source, lanes, source.lanes)
		}
	}
}
