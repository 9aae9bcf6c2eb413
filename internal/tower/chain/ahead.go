package chain

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// aheadBlocks is how many blocks may be fetched before their turn, each of up to
// 4 MB.
const aheadBlocks = 2

// ahead fetches a run of blocks one after the other while the tower processes
// the ones before, so that neither waits for the other. It never asks for two at once,
// and nothing that it fetched counts, nor is read, before its turn has come: the
// source is to be asked for the next one meanwhile.
type ahead struct {
	follower *Follower
	blocks   chan fetched
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
	a := &ahead{follower: f, blocks: make(chan fetched, aheadBlocks-1), quit: quit}
	a.work.Go(func() {
		for height := from; height <= to && wanted.Err() == nil; height++ {
			got := f.fetchSafely(ctx, height)
			select {
			case a.blocks <- got:
			case <-wanted.Done():
			}
			if got.raw == nil {
				return
			}
		}
	})
	return a
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
	got := <-a.blocks
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
