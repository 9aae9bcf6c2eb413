package chain

import (
	"context"
	"errors"
	"fmt"
)

// progressEvery is how many blocks lie between two lines of a long catch-up.
const progressEvery = 500

// begin starts at the source's best block: the tower is of use at once, and
// older blocks are filled in afterwards, newest first.
func (f *Follower) begin(ctx context.Context, best uint32) error {
	b, err := f.fetch(ctx, best)
	if err != nil {
		return err
	}
	f.config.Log.Info("first block", "height", b.Height, "hash", b.Hash)
	return f.tower.Begin(ctx, b)
}

// advance connects the blocks after tip, up to best.
func (f *Follower) advance(ctx context.Context, tip Header, best uint32) error {
	coming := f.fetchAhead(ctx, tip.Height+1, best)
	defer coming.stop()
	for height := tip.Height + 1; height <= best; height++ {
		b, err := coming.next()
		if err != nil {
			return f.gone(ctx, height, best, err)
		}
		f.misses = 0
		if b.Prev != tip.Hash {
			return f.notNext()
		}
		if err := f.tower.Connect(ctx, b); err != nil {
			coming.stop()
			return f.glance(ctx, height, best, fmt.Errorf("process block %d: %w", height, err))
		}
		f.forked, f.hinted = false, false // this block has told
		f.config.Log.Debug("block processed", "height", height, "hash", b.Hash, "txs", len(b.Txs))
		if left := best - height; left > 0 && height%progressEvery == 0 {
			f.config.Log.Info("catching up", "height", height, "left", left)
		}
		tip = Header{Height: height, Hash: b.Hash, Prev: b.Prev}
	}
	return nil
}

// notNext leaves it to the next round to find the fork. If that has found none,
// the source answers from two branches: there must be a pause then.
func (f *Follower) notNext() error {
	if f.forked {
		return errMoved
	}
	f.forked = true
	return nil
}

// gone decides whether the block after the tip is lost for good: pruned, or
// missing again and again while later ones are served (lightningd does not
// say why a block is missing). Only then does the tower go on behind the gap,
// and only loudly.
func (f *Follower) gone(ctx context.Context, height, best uint32, why error) error {
	if !errors.Is(why, ErrPruned) && !f.missedOften(height, why) {
		return why
	}
	first, err := f.firstServed(ctx, height, best)
	if err != nil {
		return err
	}
	if first.Height == height {
		return errMoved
	}
	return f.passGap(ctx, height, first, why)
}

// passGap goes on at a block behind those that are lost, from a height on.
func (f *Follower) passGap(ctx context.Context, from uint32, first *Block, why error) error {
	if err := f.confirmGap(ctx, first); err != nil {
		return err
	}
	f.config.Log.Error("blocks can't be had any more: a breach in them was not seen",
		"from", from, "to", first.Height-1, "err", why)
	f.misses = 0
	return f.tower.Begin(ctx, first)
}

func (f *Follower) missedOften(height uint32, why error) bool {
	if !errors.Is(why, ErrNoBlock) {
		return false
	}
	if f.missing != height {
		f.missing, f.misses = height, 0
	}
	f.misses++
	return f.misses >= missingTries
}

// firstServed returns the lowest block in a range that the source serves. A
// node throws away its oldest blocks first, so what it has is an upper part.
func (f *Follower) firstServed(ctx context.Context, from, to uint32) (*Block, error) {
	found, err := f.fetch(ctx, to)
	if err != nil {
		return nil, err
	}
	for from < to {
		middle := from + (to-from)/2
		b, err := f.fetch(ctx, middle)
		switch {
		case err == nil:
			found, to = b, middle
		case isMissing(err):
			from = middle + 1
		default:
			return nil, err
		}
	}
	return found, nil
}

// confirmGap asks once more on either side of the edge: a backend that went
// down in the middle of the search shows one where there is none.
func (f *Follower) confirmGap(ctx context.Context, first *Block) error {
	if _, err := f.fetch(ctx, first.Height-1); !isMissing(err) {
		return errors.Join(errMoved, err)
	}
	again, err := f.fetch(ctx, first.Height)
	if err != nil {
		return err
	}
	if again.Hash != first.Hash {
		return errMoved
	}
	return nil
}

func isMissing(err error) bool { return errors.Is(err, ErrPruned) || errors.Is(err, ErrNoBlock) }
