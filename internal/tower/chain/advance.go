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
	for height := tip.Height + 1; height <= best; height++ {
		b, err := f.fetch(ctx, height)
		if err != nil {
			return f.gone(ctx, height, best, err)
		}
		f.misses = 0
		if b.Prev != tip.Hash {
			return f.notNext()
		}
		if err := f.tower.Connect(ctx, b); err != nil {
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
	if err := f.confirmGap(ctx, first); err != nil {
		return err
	}
	f.config.Log.Error("blocks can't be had any more: a breach in them was not seen",
		"from", height, "to", first.Height-1, "err", why)
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

// older does one step of work on blocks that lie behind the tip: first it
// fills the window in, newest first, for appointments that come late and for
// forks, then it looks again for what befell breaches that were found late.
func (f *Follower) older(ctx context.Context) (more bool, err error) {
	lowest, wanted, err := f.tower.WantsOlder(ctx)
	if err != nil {
		return false, err
	}
	var failed error
	if wanted {
		if more, failed = f.backfill(ctx, lowest); more {
			return true, failed
		}
	}
	// A block that can't be had below must not keep what lies above waiting.
	again, wanted, err := f.tower.WantsRescan(ctx)
	if err != nil || !wanted {
		return false, errors.Join(failed, err)
	}
	return true, errors.Join(failed, f.rescan(ctx, again))
}

func (f *Follower) backfill(ctx context.Context, lowest Header) (more bool, err error) {
	height := lowest.Height - 1
	if f.absent[height] >= missingTries {
		return false, nil // older blocks help only those who come late
	}
	b, err := f.fetch(ctx, height)
	if f.givenUp(ctx, height, err) {
		f.config.Log.Warn("older blocks can't be had: appointments that come late are answered from here on",
			"height", lowest.Height, "err", err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if b.Hash != lowest.Prev {
		f.forked = true
		return false, errMoved
	}
	return true, f.tower.Backfill(ctx, b)
}

// givenUp tells whether a block behind the tip has been missing so often that
// it is not asked for again until the next start: what a pruned node has to
// look for costs it a minute each time. A backend that comes and goes shows
// blocks as missing that it has, so the tip must be served meanwhile.
func (f *Follower) givenUp(ctx context.Context, height uint32, err error) bool {
	if !isMissing(err) {
		delete(f.absent, height)
		return false
	}
	if f.absent[height]++; f.absent[height] < missingTries && !errors.Is(err, ErrPruned) {
		return false
	}
	if !f.stillMissing(ctx, height) {
		delete(f.absent, height)
		return false
	}
	f.absent[height] = missingTries
	return true
}

// stillMissing asks for a block between two proofs that blocks are served.
func (f *Follower) stillMissing(ctx context.Context, height uint32) bool {
	tip, found, err := f.tower.Tip(ctx)
	if err != nil || !found {
		return false
	}
	if _, err := f.fetch(ctx, tip.Height); err != nil {
		return false
	}
	if _, err := f.fetch(ctx, height); !isMissing(err) {
		return false
	}
	_, err = f.fetch(ctx, tip.Height)
	return err == nil
}

func (f *Follower) rescan(ctx context.Context, h Header) error {
	b, err := f.fetch(ctx, h.Height)
	if f.givenUp(ctx, h.Height, err) {
		f.config.Log.Error("a block can't be had any more: what befell a breach in it is not known",
			"height", h.Height, "err", err)
		return f.tower.SkipRescan(ctx, h.Height)
	}
	if err != nil {
		return err
	}
	if b.Hash != h.Hash {
		f.forked = true
		return errMoved
	}
	return f.tower.Rescan(ctx, b)
}
