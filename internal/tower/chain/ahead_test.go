package chain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/towertest"
)

// slow is a source that takes a second for each block, of the bubble's time. It
// notes whether it was asked for two at once.
type slow struct {
	*chaintest.Chain
	mu     sync.Mutex
	asked  map[uint32]int
	now    int
	atOnce int
	panics uint32 // the block at which it panics
	most   int    // for how many it may be asked at once
}

func (s *slow) Block(ctx context.Context, height uint32) ([]byte, error) {
	s.mu.Lock()
	s.asked[height]++
	s.now++
	s.atOnce = max(s.atOnce, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now--
	}()
	if height == s.panics {
		panic("a defect")
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return s.Chain.Block(ctx, height)
}

// busy is a tower that takes a second for each block, and remembers nothing
// else than their headers, from the first at height 1 on.
type busy struct {
	chain.Tower
	headers []chain.Header
	left    int // how many blocks it left in reorgs
	// connect is called with each block; an error refuses it.
	connect func(b *chain.Block) error
}

func (b *busy) tip() chain.Header { return b.headers[len(b.headers)-1] }

func (b *busy) Tip(context.Context) (chain.Header, bool, error) { return b.tip(), true, nil }

func (b *busy) Header(_ context.Context, height uint32) (chain.Header, bool, error) {
	if height == 0 || height > b.tip().Height {
		return chain.Header{}, false, nil
	}
	return b.headers[height-1], true, nil
}

func (b *busy) Connect(_ context.Context, block *chain.Block) error {
	<-time.After(time.Second)
	if err := b.connect(block); err != nil {
		return err
	}
	if block.Height != b.tip().Height+1 || block.Prev != b.tip().Hash {
		return fmt.Errorf("block %d does not follow %d", block.Height, b.tip().Height)
	}
	b.headers = append(b.headers, chain.Header{Height: block.Height, Hash: block.Hash, Prev: block.Prev})
	return nil
}

func (b *busy) Disconnect(_ context.Context, fork uint32) error {
	b.left += int(b.tip().Height - fork)
	b.headers = b.headers[:fork]
	return nil
}

func (*busy) Glance(context.Context, *chain.Block) error { return nil }

func (*busy) WantsOlder(context.Context) (chain.Header, bool, error) {
	return chain.Header{}, false, nil
}

func (*busy) WantsRescan(context.Context) (chain.Header, bool, error) {
	return chain.Header{}, false, nil
}

// broad is such a source that may be asked for several at once.
type broad struct{ *slow }

func (broad) Lanes() int { return 8 }

// catchUp runs a follower from block 1 to the tip of a chain of some blocks, over a
// source that may be asked for one at a time and over one that may be for more.
func catchUp(t *testing.T, blocks int, f func(t *testing.T, s *slow, b *busy, run func(context.Context))) {
	t.Helper()
	t.Run("narrow", func(t *testing.T) { catchUpOver(t, 1, blocks, f) })
	t.Run("wide", func(t *testing.T) { catchUpOver(t, 2, blocks, f) })
}

func catchUpOver(t *testing.T, lanes, blocks int, f func(t *testing.T, s *slow, b *busy, run func(context.Context))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := chaintest.New()
		c.MineEmpty(blocks)
		first := c.At(1)
		b := &busy{
			headers: []chain.Header{{Height: 1, Hash: first.Hash, Prev: first.Prev}},
			connect: func(*chain.Block) error { return nil },
		}
		s := &slow{Chain: c, asked: map[uint32]int{}, most: lanes}
		var source chain.Source = s
		if lanes > 1 {
			source = broad{s}
		}
		config := chain.Config{Network: "regtest", Poll: time.Hour, Log: towertest.Quiet()}
		follower, err := chain.NewFollower(source, b, config)
		if err != nil {
			t.Fatal(err)
		}
		f(t, s, b, follower.Run)
	})
}

// A second for each block and not two: the tower works while the source does.
func TestCatchUpAtTheSpeedOfTheSource(t *testing.T) {
	const blocks = 60
	catchUp(t, blocks, func(t *testing.T, s *slow, b *busy, run func(context.Context)) {
		start := time.Now()
		var took time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b.connect = func(block *chain.Block) error {
			if block.Height == blocks {
				took = time.Since(start)
				cancel()
			}
			return nil
		}
		run(ctx)
		if took != blocks*time.Second || b.tip().Hash != s.Best().Hash {
			t.Errorf("%v to block %d, want %v to %d", took, b.tip().Height, blocks*time.Second, blocks)
		}
		if s.atOnce != s.most {
			t.Errorf("%d blocks were asked for at once, want %d", s.atOnce, s.most)
		}
	})
}

// A tower that takes no block stops the source after those that may wait.
func TestFetchAheadIsBounded(t *testing.T) {
	catchUp(t, 60, func(t *testing.T, s *slow, b *busy, run func(context.Context)) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		b.connect = func(*chain.Block) error { <-release; return ctx.Err() }
		var work sync.WaitGroup
		work.Go(func() { run(ctx) })
		<-time.After(time.Minute)
		synctest.Wait()
		if len(s.asked) != 3 { // the one that is being processed, and two
			t.Errorf("asked for %v", s.asked)
		}
		cancel()
		close(release)
		work.Wait()
		synctest.Wait()
		if s.now != 0 {
			t.Errorf("%d calls outlived the follower", s.now)
		}
	})
}

// What was fetched of a branch that the source leaves meanwhile is no way into
// it: the tower leaves it, too, and sees each block of the other.
func TestReorgWhileFetchingAhead(t *testing.T) {
	catchUp(t, 30, func(t *testing.T, s *slow, b *busy, run func(context.Context)) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		forked := false
		b.connect = func(block *chain.Block) error {
			if block.Height == 10 && !forked {
				<-time.After(time.Minute) // 11 and 12 wait by then
				forked = true
				s.Fork(10)
				s.MineEmpty(25)
			}
			if block.Hash == s.Best().Hash {
				cancel()
			}
			return nil
		}
		run(ctx)
		if b.tip().Hash != s.Best().Hash || b.left == 0 || s.atOnce > s.most {
			t.Errorf("tip %d, want %d; left %d blocks, want some; %d calls at once", b.tip().Height, s.Best().Height, b.left, s.atOnce)
		}
		for _, h := range b.headers {
			if h.Hash != s.At(h.Height).Hash {
				t.Errorf("block %d is of the branch that was left", h.Height)
			}
		}
	})
}

// A block that can't be processed is looked at after the fetching ahead has
// ended.
func TestNoFetchBesideAGlance(t *testing.T) {
	catchUp(t, 20, func(t *testing.T, s *slow, b *busy, run func(context.Context)) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		tries := 0
		b.connect = func(block *chain.Block) error {
			if block.Hash == s.Best().Hash {
				cancel()
			}
			if tries++; block.Height == 5 && tries < 10 {
				return errors.New("not now")
			}
			return nil
		}
		run(ctx)
		if s.atOnce > s.most || b.tip().Hash != s.Best().Hash {
			t.Errorf("%d calls at once, tip %d", s.atOnce, b.tip().Height)
		}
	})
}

// A panic on the way to a block is one of Run: who runs it guards against that.
func TestPanicWhileFetchingAhead(t *testing.T) {
	catchUp(t, 20, func(t *testing.T, s *slow, _ *busy, run func(context.Context)) {
		s.panics = 5
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		defer func() {
			if r := fmt.Sprint(recover()); !strings.HasPrefix(r, "a defect\n") {
				t.Errorf("recovered %.100s", r)
			}
		}()
		run(ctx)
	})
}
