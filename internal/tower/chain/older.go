package chain

import (
	"context"
	"errors"
	"time"
)

// older does one step of work on blocks that lie behind the tip: first it
// fills the window in, newest first, for appointments that come late and for
// forks, then it looks again for what befell breaches that were found late.
func (f *Follower) older(ctx context.Context, tip uint32) (more bool, err error) {
	lowest, wanted, err := f.tower.WantsOlder(ctx)
	if err != nil {
		return false, err
	}
	var failed error
	if wanted {
		if more, failed = f.backfill(ctx, lowest, tip); more {
			return true, failed
		}
	}
	// A block that can't be had below must not keep what lies above waiting.
	again, wanted, err := f.tower.WantsRescan(ctx)
	if err != nil || !wanted {
		return false, errors.Join(failed, err)
	}
	return true, errors.Join(failed, f.rescan(ctx, again, tip))
}

func (f *Follower) backfill(ctx context.Context, lowest Header, tip uint32) (more bool, err error) {
	height := lowest.Height - 1
	if time.Now().Before(f.absent[height].until) {
		return false, nil // older blocks help only those who come late
	}
	b, err := f.fetch(ctx, height)
	if f.givenUp(ctx, height, tip, err) {
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

// absence is how often a block was missing that should be there.
type absence struct {
	times int
	until time.Time // it is not asked for again before
}

// givenUp tells whether a block has been missing so often that it counts as
// gone, and is not to be asked for again for long: what a pruned node has to
// look for costs it a minute each time. A backend that comes and goes shows
// blocks as missing that it has, so a block that it should have, too, must be
// served meanwhile.
func (f *Follower) givenUp(ctx context.Context, height, witness uint32, err error) bool {
	if !isMissing(err) {
		delete(f.absent, height)
		return false
	}
	times := f.absent[height].times + 1
	f.absent[height] = absence{times: times}
	if times < missingTries && !errors.Is(err, ErrPruned) {
		return false
	}
	if !f.stillMissing(ctx, height, witness) {
		delete(f.absent, height)
		return false
	}
	f.absent[height] = absence{missingTries, time.Now().Add(absentPause)}
	return true
}

// stillMissing asks for a block between two proofs that blocks are served.
func (f *Follower) stillMissing(ctx context.Context, height, witness uint32) bool {
	if _, err := f.fetch(ctx, witness); err != nil {
		return false
	}
	if _, err := f.fetch(ctx, height); !isMissing(err) {
		return false
	}
	_, err := f.fetch(ctx, witness)
	return err == nil
}

func (f *Follower) rescan(ctx context.Context, h Header, tip uint32) error {
	b, err := f.fetch(ctx, h.Height)
	if f.givenUp(ctx, h.Height, tip, err) {
		f.config.Log.Error("a block can't be had any more: what befell a breach in it is not known",
			"height", h.Height, "err", err)
		delete(f.absent, h.Height)
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
