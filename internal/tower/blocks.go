package tower

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// errNotNext says that the follower offered a block that does not stand on
// the tip. Nothing was changed.
var errNotNext = errors.New("block does not follow the tip")

// Tip implements chain.Tower.
func (t *Tower) Tip(ctx context.Context) (h chain.Header, found bool, err error) {
	err = t.store.View(ctx, func(tx Tx) (err error) {
		h, found, err = tx.Tip()
		return err
	})
	return h, found, err
}

// Header implements chain.Tower.
func (t *Tower) Header(ctx context.Context, height uint32) (h chain.Header, found bool, err error) {
	err = t.store.View(ctx, func(tx Tx) (err error) {
		h, found, err = tx.Header(height)
		return err
	})
	return h, found, err
}

// Connect implements chain.Tower: it processes the block after the tip whole,
// in one transaction, or not at all.
func (t *Tower) Connect(ctx context.Context, b *chain.Block) error {
	return t.change(ctx, func(tx Tx, j *journal) error {
		tip, found, err := tx.Tip()
		if err != nil {
			return err
		}
		if !found || tip.Height+1 != b.Height || tip.Hash != b.Prev {
			return fmt.Errorf("%w: block %d %v", errNotNext, b.Height, b.Hash)
		}
		return t.process(tx, b, j)
	})
}

// Begin implements chain.Tower: the first block ever, or one behind a range
// that nobody can show us any more, or one in place of the lowest. It stands
// on nothing that is known, so all older blocks go.
func (t *Tower) Begin(ctx context.Context, b *chain.Block) error {
	return t.change(ctx, func(tx Tx, j *journal) error {
		tip, found, err := tx.Tip()
		if err != nil {
			return err
		}
		if found {
			if err := jump(tx, tip.Height, b.Height); err != nil {
				return err
			}
		}
		if err := tx.CutBlocks(b.Height); err != nil {
			return err
		}
		return t.process(tx, b, j)
	})
}

// jump records the blocks that a jump forward leaves out as blind; it undoes
// those that a jump back takes away.
func jump(tx Tx, from, to uint32) error {
	if to <= from {
		return undo(tx, to-1)
	}
	if from+1 < to {
		if err := tx.AddBlind(from+1, to-1); err != nil {
			return err
		}
		if err := tx.AddEvent(blind(from+1, to-1)); err != nil {
			return err
		}
	}
	return tx.SkipJudging(to - 1)
}

// process does all that a new tip means. The order matters: a breach found in
// this block is judged by this block, as its penalty may be in it, too.
func (t *Tower) process(tx Tx, b *chain.Block, j *journal) error {
	if err := t.findBreaches(tx, b, j); err != nil {
		return err
	}
	if err := responder.Judge(tx, b); err != nil {
		return err
	}
	if err := t.bury(tx, b.Height, j); err != nil {
		return err
	}
	appointments, users, err := t.gatekeeper.Expire(tx, b.Height)
	if err != nil {
		return err
	}
	if appointments+users > 0 {
		j.info("subscriptions ended", "users", users, "appointments", appointments, "height", b.Height)
	}
	if err := tx.PutBlock(b, t.terms.RecentBlocks > 0); err != nil {
		return err
	}
	if err := tx.SetIdentity(lastBlockKey, b.Time.Format(time.RFC3339)); err != nil {
		return err
	}
	if err := tx.CutRecent(back(b.Height, t.terms.RecentBlocks)); err != nil {
		return err
	}
	if err := tx.CutBlocks(back(b.Height, t.window())); err != nil {
		return err
	}
	return tx.CutEvents()
}

// window is for how many blocks back headers are remembered.
func (t *Tower) window() uint32 { return max(t.terms.RecentBlocks, headers) }

// back returns the lowest height of the last n blocks up to a height.
func back(height, n uint32) uint32 {
	if height < n {
		return 0
	}
	return height - n + 1
}

func (t *Tower) findBreaches(tx Tx, b *chain.Block, j *journal) error {
	return watcher.Scan(tx, b, func(m watcher.Match) error {
		if errors.Is(m.Err, watcher.ErrUnreadable) {
			return m.Err // the block waits; see Glance
		}
		if m.Err != nil {
			j.warn("a dispute is on the chain and its appointment can't answer it",
				"locator", m.Appointment.Locator, "dispute", m.Dispute.ID, "height", b.Height, "err", m.Err)
			return disown(tx, m.Appointment, b.Height)
		}
		j.warn("breach found", "locator", m.Appointment.Locator,
			"dispute", m.Dispute.ID, "height", b.Height, "penalty", m.Penalty.ID)
		return responder.Track(tx, m.Appointment.Row, m.Dispute, b.Height, m.Penalty)
	})
}

// disown ends the tracker of an appointment that came after its dispute and
// seemed to answer it while no more than the dispute's id was known.
func disown(tx Tx, a watcher.Appointment, height uint32) error {
	if a.Triggered {
		if err := tx.DropTracker(a.Row); err != nil {
			return err
		}
	}
	return tx.AddEvent(responder.Event{
		Row: a.Row, Height: height, Kind: EventUnanswerable, Detail: watcher.ErrNoPenalty.Error(),
	})
}

// bury ends what is irrevocably resolved at a height: the appointment is
// forgotten and its slots are the user's again.
func (t *Tower) bury(tx Tx, height uint32, j *journal) error {
	buried, err := responder.Buried(tx, height)
	if err != nil {
		return err
	}
	for _, tr := range buried {
		if err := t.resolve(tx, tr, height, j); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tower) resolve(tx Tx, tr responder.Tracker, height uint32, j *journal) error {
	a, err := tx.AppointmentIn(tr.Row)
	if err != nil {
		return err
	}
	j.warn("breach is over", "outcome", tr.Spend, "locator", a.Locator,
		"dispute", tr.Dispute.ID, "spender", tr.Spender, "height", height)
	if err := tx.AddEvent(over(&tr, height)); err != nil {
		return err
	}
	if tr.Spend == responder.Replaced {
		// The dispute can't come back, but that is no reason to stop
		// watching for what a user pays for.
		return tx.DropTracker(tr.Row)
	}
	r := Resolution{Tracker: tr, Locator: a.Locator, Height: height, When: time.Now()}
	if err := tx.AddResolution(r); err != nil {
		return err
	}
	if err := tx.DropTracker(tr.Row); err != nil {
		return err
	}
	return forget(tx, a)
}

// Disconnect implements chain.Tower: everything above the fork is undone, and
// every penalty that is not in the chain any more is due again.
func (t *Tower) Disconnect(ctx context.Context, fork uint32) error {
	return t.change(ctx, func(tx Tx, _ *journal) error { return undo(tx, fork) })
}

func undo(tx Tx, fork uint32) error {
	if err := forgetUnseen(tx, fork); err != nil {
		return err
	}
	if err := responder.Undo(tx, fork); err != nil {
		return err
	}
	return tx.DropAbove(fork)
}

// forgetUnseen ends the trackers of late appointments whose dispute a reorg takes
// out before more than its id was known. There is nothing to publish for them,
// nor anything by which to see that another transaction took the dispute's place:
// the appointment is watched again instead, and so meets the dispute in any block.
func forgetUnseen(tx Tx, fork uint32) error {
	tip, found, err := tx.Tip()
	if err != nil || !found {
		return err
	}
	for height := fork + 1; height <= tip.Height; height++ {
		unseen, err := tx.WithoutDispute(height)
		if err != nil {
			return err
		}
		for _, tr := range unseen {
			if err := forgetTracker(tx, tr.Row, fork); err != nil {
				return err
			}
		}
	}
	return nil
}

func forgetTracker(tx Tx, row int64, fork uint32) error {
	if err := tx.DropTracker(row); err != nil {
		return err
	}
	return tx.AddEvent(responder.Event{
		Row: row, Height: fork, Kind: responder.EventDropped, Detail: "a reorg took the dispute out before more than its id was known",
	})
}
