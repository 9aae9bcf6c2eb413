package chain

import (
	"context"
	"fmt"
	"time"
)

// glanceAgain is when blocks that can't be processed are looked at again from
// the first on: a penalty that was refused meanwhile gets another try.
const glanceAgain = 10 * time.Minute

// maxGlance is how many blocks are looked at before the tower is offered the
// first of them again.
const maxGlance = 50

// glance looks at the blocks from a height up to the best one, none of which
// the tower can process now, and returns why with what went wrong besides. A
// block that was looked at is not fetched again until glanceAgain has passed.
func (f *Follower) glance(ctx context.Context, from, best uint32, why error) error {
	if ctx.Err() != nil {
		return why
	}
	if from != f.glanceFrom || time.Since(f.glancedAt) > glanceAgain {
		f.glanceFrom, f.glanced, f.glancedAt = from, from-1, time.Now()
	}
	last := f.glanced + maxGlance
	for height := f.glanced + 1; height <= min(best, last); height++ {
		b, err := f.fetch(ctx, height)
		if err == nil {
			err = f.tower.Glance(ctx, b)
		}
		if err != nil {
			return fmt.Errorf("%w; and block %d could not even be looked at: %w", why, height, err)
		}
		f.glanced = height
	}
	return why
}
