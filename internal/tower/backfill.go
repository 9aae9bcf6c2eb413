package tower

import (
	"context"
	"fmt"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
)

// Young implements chain.Tower.
func (t *Tower) Young(ctx context.Context) (young bool, err error) {
	err = t.store.View(ctx, func(tx Tx) (err error) {
		_, young, err = t.lowestIfYoung(tx)
		return err
	})
	return young, err
}

// lowestIfYoung returns the lowest known block while the window of remembered
// blocks is not full.
func (t *Tower) lowestIfYoung(tx Tx) (lowest chain.Header, young bool, err error) {
	tip, found, err := tx.Tip()
	if err != nil || !found {
		return lowest, false, err
	}
	lowest, found, err = tx.Lowest()
	return lowest, found && lowest.Height > max(1, back(tip.Height, t.window())), err
}

// WantsOlder implements chain.Tower: first the transactions of remembered blocks
// that are recent and lack them, where an operator has raised how many are or a
// reorg has shortened the chain; then the window of remembered blocks. What is
// known to be gone is not asked for again: it costs a node with lightningd's
// bcli a minute each time.
func (t *Tower) WantsOlder(ctx context.Context) (lowest chain.Header, wanted bool, err error) {
	err = t.store.View(ctx, func(tx Tx) (err error) {
		if lowest, wanted, err = t.lowestIfBare(tx); err == nil && !wanted {
			lowest, wanted, err = t.lowestIfYoung(tx)
		}
		if err != nil || !wanted {
			return err
		}
		blind, err := tx.IsBlind(lowest.Height - 1)
		wanted = !blind
		return err
	})
	return lowest, wanted, err
}

// lowestIfBare returns the lowest block with its transactions, where the one
// below is remembered and recent, but without them.
func (t *Tower) lowestIfBare(tx Tx) (filled chain.Header, bare bool, err error) {
	filled, found, err := tx.LowestRecent()
	if err != nil || !found {
		return filled, false, err
	}
	tip, _, err := tx.Tip()
	if err != nil || filled.Height <= max(1, back(tip.Height, t.terms.RecentBlocks)) {
		return filled, false, err
	}
	_, bare, err = tx.Header(filled.Height - 1)
	return filled, bare, err
}

// Backfill implements chain.Tower: it adds a block below the lowest one that is
// stored, or stored with its transactions. Appointments that were accepted since
// meet it here.
func (t *Tower) Backfill(ctx context.Context, b *chain.Block) error {
	return t.change(ctx, func(tx Tx, j *journal) error {
		lowest, bare, err := t.lowestIfBare(tx)
		found := bare
		if err == nil && !bare {
			lowest, found, err = tx.Lowest()
		}
		if err != nil {
			return err
		}
		if !found || lowest.Height != b.Height+1 || lowest.Prev != b.Hash {
			return fmt.Errorf("%w: block %d %v is not below the lowest", errNotNext, b.Height, b.Hash)
		}
		if err := t.findBreaches(tx, b, j); err != nil {
			return err
		}
		if bare {
			return tx.PutRecent(b)
		}
		return t.putOlder(tx, b)
	})
}

// putOlder stores a block below all that are, with its transactions if it is a
// recent one and there is no gap in them.
func (t *Tower) putOlder(tx Tx, b *chain.Block) error {
	tip, _, err := tx.Tip()
	if err != nil {
		return err
	}
	filled, found, err := tx.LowestRecent()
	if err != nil {
		return err
	}
	recent := b.Height >= back(tip.Height, t.terms.RecentBlocks)
	return tx.PutBlock(b, recent && found && filled.Height == b.Height+1)
}

// WantsRescan implements chain.Tower: a stored block by which a tracker that
// was made late has yet to be judged.
func (t *Tower) WantsRescan(ctx context.Context) (h chain.Header, wanted bool, err error) {
	err = t.store.View(ctx, func(tx Tx) error {
		tip, found, err := tx.Tip()
		if err != nil || !found {
			return err
		}
		height, found, err := tx.Unjudged(tip.Height)
		if err != nil || !found {
			return err
		}
		if lowest, _, err := tx.Lowest(); err != nil || lowest.Height > height {
			h, wanted = lowest, true
			return err
		}
		h, wanted, err = tx.Header(height)
		return err
	})
	return h, wanted, err
}

// SkipRescan implements chain.Tower: nothing is judged by that block.
func (t *Tower) SkipRescan(ctx context.Context, height uint32) error {
	return t.vital(ctx, func(tx Tx) error { return tx.SkipJudging(height) })
}

// Rescan implements chain.Tower: trackers that are judged up to the block
// before are judged by this one, which must be a stored one.
func (t *Tower) Rescan(ctx context.Context, b *chain.Block) error {
	return t.vital(ctx, func(tx Tx) error {
		h, found, err := tx.Header(b.Height)
		if err != nil {
			return err
		}
		if !found || h.Hash != b.Hash {
			return fmt.Errorf("%w: block %d %v is not the stored one", errNotNext, b.Height, b.Hash)
		}
		if lowest, _, err := tx.Lowest(); err != nil || lowest.Height == b.Height {
			// What lies below is gone: nothing can judge by it any more.
			if err := tx.SkipJudging(b.Height - 1); err != nil {
				return err
			}
		}
		return responder.Judge(tx, b)
	})
}
