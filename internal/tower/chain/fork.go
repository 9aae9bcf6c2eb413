package chain

import (
	"context"
	"fmt"

	"github.com/btcsuite/btcd/chainhash/v2"
)

const (
	// maxTurns is how many branches may be left in a row without a pause: a
	// source that answers from two in turns would be asked without end.
	maxTurns = 3
	// settled is how deep a block must be for what it decided to hold where
	// the fork can't be found (BOLT 5: irrevocably resolved).
	settled = 100
)

// fork is where the tower's branch leaves the source's.
type fork struct {
	// height of the last block that both have. Where common is false none
	// is remembered, and it is the height below all that are.
	height uint32
	common bool
	// next is the source's block above it, unless that is above all of ours.
	next chainhash.Hash
}

// leaveBranch takes the tower back to where its branch leaves the source's;
// left is false where the tip still stands.
func (f *Follower) leaveBranch(ctx context.Context, tip Header, best uint32) (left bool, err error) {
	at, err := f.fork(ctx, tip, best)
	if isMissing(err) {
		return f.leaveBlindly(ctx, tip, best, at.height, err)
	}
	if err != nil {
		return false, err
	}
	f.hinted = false
	if at.common && at.height == tip.Height {
		return false, nil
	}
	if f.turns >= maxTurns {
		f.turns-- // one more after a pause
		return false, errMoved
	}
	f.config.Log.Warn("reorg", "from", tip.Height, "fork", at.height, "best", best)
	if at.common {
		err = f.disconnect(ctx, at.height, best)
	} else {
		err = f.replaceLowest(ctx, tip, best, at)
	}
	if err != nil {
		return false, err
	}
	f.forked = false
	f.turns++
	return true, nil
}

func (f *Follower) disconnect(ctx context.Context, height, best uint32) error {
	if err := f.tower.Disconnect(ctx, height); err != nil {
		return f.glance(ctx, height+1, best, fmt.Errorf("leave a branch: %w", err))
	}
	return nil
}

// replaceLowest puts the source's block in the place of the lowest that is
// remembered, and all above it: the one that was compared, and no other.
func (f *Follower) replaceLowest(ctx context.Context, tip Header, best uint32, at fork) error {
	height := at.height + 1
	b, err := f.fetch(ctx, height)
	if isMissing(err) {
		_, err = f.leaveBlindly(ctx, tip, best, height, err)
		return err
	}
	if err != nil {
		return err
	}
	if b.Hash != at.next {
		return errMoved
	}
	return f.tower.Begin(ctx, b)
}

// fork compares what the tower remembers with what the source has, from the
// tip on down. With an error it tells the height at which that happened.
func (f *Follower) fork(ctx context.Context, tip Header, best uint32) (at fork, err error) {
	for at.height = min(tip.Height, best); ; at.height-- {
		ours, found, err := f.tower.Header(ctx, at.height)
		if err != nil {
			return at, err
		}
		if !found {
			return at, f.forkBelow(ctx, at.height, best)
		}
		theirs, err := f.hash(ctx, at.height)
		if err != nil {
			return at, err
		}
		if theirs == ours.Hash {
			at.common = true
			return at, nil
		}
		f.forked, at.next = true, theirs
		if at.height == 0 {
			return at, fmt.Errorf("%w: at the genesis block", ErrDeepFork)
		}
	}
}

// forkBelow fails with ErrDeepFork where the tower has left a chain that it has
// watched for long, or where the source has nothing to show instead. A young
// tower goes on with the source's block in place of its lowest, so that it
// sees each block from there on, and fills its window in below.
func (f *Follower) forkBelow(ctx context.Context, height, best uint32) error {
	young, err := f.tower.Young(ctx)
	if err != nil {
		return err
	}
	if young && height < best {
		return nil
	}
	return fmt.Errorf("%w: at block %d", ErrDeepFork, height)
}

// leaveBlindly leaves a branch where the block that must be compared is missing
// at the source. If that is for good, the fork may be anywhere below: whatever
// is not settled is undone, and so answered again, and what can't be had any
// more becomes a gap.
func (f *Follower) leaveBlindly(ctx context.Context, tip Header, best, height uint32, why error) (left bool, err error) {
	if !f.forked && best > tip.Height {
		return false, nil // the next block tells whether there is a fork
	}
	if !f.forked || !f.givenUp(ctx, height, best, why) {
		return false, why
	}
	low := tip.Height
	for low+settled > height && low > 0 {
		if _, found, err := f.tower.Header(ctx, low-1); err != nil || !found {
			break
		}
		low--
	}
	f.config.Log.Error("a reorg, and blocks of its branch can't be had any more: what they decide is not known",
		"from", tip.Height, "missing", height, "back to", low)
	f.forked = false
	delete(f.absent, height)
	if low < tip.Height {
		return true, f.disconnect(ctx, low, best)
	}
	first, err := f.firstServed(ctx, low+1, best)
	if err != nil {
		return false, err
	}
	return true, f.passGap(ctx, low+1, first, why)
}
