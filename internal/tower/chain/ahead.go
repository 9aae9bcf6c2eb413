package chain

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

const (
	// aheadBlocks is how many blocks may be fetched before their turn, each of up
	// to 4 MB.
	aheadBlocks = 2
	// aheadLanes is how many of them are asked for at once, of a source that is
	// Wide: of any other it is one.
	aheadLanes = 2
)

// ahead fetches a run of blocks while the tower processes the ones before, so that
// neither waits for the other. Nothing that it fetched counts, nor is read, before its
// turn has come: the source is to be asked for the next one meanwhile.
type ahead struct {
	follower *Follower
	blocks   chan chan fetched // in their order, as they were asked for
	quit     context.CancelFunc
	work     sync.WaitGroup
}

type fetched struct {
	raw    []byte
	height uint32
	err    error
	// defect is a panic, and where: whoever waits for the block is to panic.
	defect string
}

// maxDefect is how much of a panic and its stack is kept, in bytes.
const maxDefect = 4 << 10

// fetchAhead begins to fetch the blocks of a range, both ends included. It ends
// by itself with the last, or the first that fails; stop must be called anyway.
func (f *Follower) fetchAhead(ctx context.Context, from, to uint32) *ahead {
	// Not ctx's end: then, too, next gets the answer that it waits for.
	wanted, quit := context.WithCancel(context.WithoutCancel(ctx))
	a := &ahead{follower: f, blocks: make(chan chan fetched, aheadBlocks-1), quit: quit}
	a.work.Go(func() { a.run(ctx, wanted, from, to) })
	return a
}

// run asks for one block after the other, for as many at once as there are lanes.
func (a *ahead) run(ctx, wanted context.Context, from, to uint32) {
	lanes := make(chan struct{}, a.lanes())
	var failed atomic.Bool
	for height := from; height <= to; height++ {
		select {
		case lanes <- struct{}{}:
		case <-wanted.Done():
			return
		}
		if failed.Load() {
			return
		}
		block := make(chan fetched, 1)
		a.work.Go(func() {
			got := a.follower.fetchSafely(ctx, height)
			failed.CompareAndSwap(false, got.raw == nil)
			block <- got
			<-lanes
		})
		select {
		case a.blocks <- block:
		case <-wanted.Done():
			return
		}
	}
}

func (a *ahead) lanes() int {
	if wide, ok := a.follower.source.(Wide); ok {
		return max(1, min(aheadLanes, wide.Lanes()))
	}
	return 1
}

func (f *Follower) fetchSafely(ctx context.Context, height uint32) (got fetched) {
	defer func() {
		if r := recover(); r != nil {
			text := fmt.Sprintf("%v\n%s", r, debug.Stack())
			got = fetched{defect: text[:min(len(text), maxDefect)]}
		}
	}()
	got.height = height
	got.raw, got.err = f.ask(ctx, height)
	return got
}

// next returns the next block of the range. It is called once for each, and no
// more after one that failed.
func (a *ahead) next() (*Block, error) {
	got := <-<-a.blocks
	if got.defect != "" {
		panic(got.defect)
	}
	if got.err != nil {
		return nil, got.err
	}
	return a.follower.parse(got.raw, got.height)
}

// stop throws away what was fetched and returns after the call that is under
// way has ended: a call that is given up goes on in lightningd all the same, and
// the next one would be the second in its lane.
func (a *ahead) stop() {
	a.quit()
	a.work.Wait()
}
