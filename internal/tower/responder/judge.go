package responder

import (
	"errors"
	"math"
	"slices"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
)

// Track notes a breach: from now on it is answered. The dispute was seen at a
// height; its Raw may be nil if only its id is known. A breach that is tracked
// already only learns where its dispute stands now.
func Track(s Store, row int64, dispute chain.Tx, height uint32, penalty chain.Tx) error {
	if _, err := s.Tracker(row); !errors.Is(err, ErrNoTracker) {
		if err != nil {
			return err
		}
		return DisputeSeen(s, row, dispute, height)
	}
	before := max(height, 1) - 1
	t := Tracker{Row: row, DisputeAt: height, Penalty: penalty, Judged: before}
	t.describe(dispute)
	if !keeps(dispute) {
		dispute = chain.Tx{ID: dispute.ID}
	}
	t.Dispute = dispute
	if err := s.InsertTracker(t); err != nil {
		return err
	}
	if err := s.AddWatches(append(watches(row, penalty), disputeWatch(row, dispute)...)); err != nil {
		return err
	}
	return s.AddEvent(Event{row, height, EventFound, "dispute " + dispute.ID.String()})
}

// DisputeSeen notes that the dispute of a tracker is in a block.
func DisputeSeen(s Store, row int64, dispute chain.Tx, height uint32) error {
	t, err := s.Tracker(row)
	if err != nil {
		return err
	}
	// What lies between this block and the one that it was judged by last
	// may hold a spend, where the dispute moved down.
	out := t.DisputeAt == 0
	t.DisputeAt, t.Judged = height, min(t.Judged, max(height, 1)-1)
	t.describe(dispute)
	if keeps(dispute) {
		t.Dispute = dispute
		if err := s.AddWatches(disputeWatch(row, dispute)); err != nil {
			return err
		}
	}
	if err := s.PutTracker(t); err != nil || !out {
		return err
	}
	return s.AddEvent(returned(row, height))
}

func returned(row int64, height uint32) Event {
	return Event{row, height, EventReturned, "the dispute is in a block again"}
}

// describe notes what a dispute tells of the penalty.
func (t *Tracker) describe(dispute chain.Tx) {
	if dispute.Raw == nil || t.Described() {
		return
	}
	t.Spent = SpentOutputs(dispute, t.Penalty)
	t.Doubtful = t.Spent == nil
}

// maxDispute is how large a dispute may be to be kept, in bytes, so that it can
// be published again after a reorg. It is kept once for each tracker, and any
// public transaction can be made somebody's dispute: it must not cost much more
// than the slots that were paid for. A commitment with eighty HTLCs fits.
const maxDispute = 2 * teos.SlotSize

func keeps(dispute chain.Tx) bool { return dispute.Raw != nil && len(dispute.Raw) <= maxDispute }

func watches(row int64, penalty chain.Tx) []Watch {
	ws := make([]Watch, 0, len(penalty.Inputs)+1)
	for _, in := range penalty.Inputs {
		ws = append(ws, Watch{Outpoint: in, Row: row})
	}
	return ws
}

// disputeWatch watches what a dispute spends: a commitment transaction has one
// input (BOLT 3), and of what is none only the first is watched.
func disputeWatch(row int64, dispute chain.Tx) []Watch {
	if len(dispute.Inputs) == 0 || dispute.Inputs[0].Index == math.MaxUint32 {
		return nil // not known, or a coinbase: it spends what nobody else can
	}
	return []Watch{{Outpoint: dispute.Inputs[0], Row: row, OfDispute: true}}
}

// Judge searches a block for what decides a tracker. Only trackers that are
// judged up to the block before take part, so that every tracker meets every
// block from its dispute's on, in order, once: one that was made late is
// brought forward by itself (see tower.Rescan).
func Judge(s Store, b *chain.Block) error {
	if err := describe(s, b); err != nil {
		return err
	}
	ws, err := s.WatchesOf(spentBy(b))
	if err != nil {
		return err
	}
	if err := judgeSpends(s, b, ws); err != nil {
		return err
	}
	return s.SetJudged(b.Height)
}

// spentBy returns the outpoints that a block spends.
func spentBy(b *chain.Block) []wire.OutPoint {
	n := 0
	for i := range b.Txs {
		n += len(b.Txs[i].Inputs)
	}
	spent := make([]wire.OutPoint, 0, n)
	for i := range b.Txs {
		spent = append(spent, b.Txs[i].Inputs...)
	}
	return spent
}

// describe fills in disputes of which only the id was known. A penalty that
// spends an output that its dispute turns out not to have can never be valid:
// its appointment was not triggered after all.
func describe(s Store, b *chain.Block) error {
	ts, err := s.WithoutDispute(b.Height)
	if err != nil {
		return err
	}
	for _, t := range ts {
		i := slices.IndexFunc(b.Txs, func(tx chain.Tx) bool { return tx.ID == t.Dispute.ID })
		if i < 0 {
			continue
		}
		if !t.Penalty.SpendsOutputOf(b.Txs[i]) {
			err = drop(s, t.Row, b.Height)
		} else {
			err = DisputeSeen(s, t.Row, b.Txs[i], b.Height)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func drop(s Store, row int64, height uint32) error {
	if err := s.DropTracker(row); err != nil {
		return err
	}
	return s.AddEvent(Event{row, height, EventDropped, "the dispute has no output that the penalty spends"})
}

func judgeSpends(s Store, b *chain.Block, ws []Watch) error {
	if len(ws) == 0 {
		return nil
	}
	watched := make(map[wire.OutPoint][]Watch, len(ws))
	for _, w := range ws {
		watched[w.Outpoint] = append(watched[w.Outpoint], w)
	}
	for _, tx := range b.Txs {
		if err := judgeTx(s, tx, b.Height, watched); err != nil {
			return err
		}
	}
	return nil
}

// judgeTx judges each tracker once by a transaction, however many of its
// outpoints that spends.
func judgeTx(s Store, tx chain.Tx, height uint32, watched map[wire.OutPoint][]Watch) error {
	type judged struct {
		row       int64
		ofDispute bool
	}
	var done map[judged]bool
	for _, in := range tx.Inputs {
		for _, w := range watched[in] {
			if done == nil {
				done = map[judged]bool{}
			}
			if done[judged{w.Row, w.OfDispute}] {
				continue
			}
			done[judged{w.Row, w.OfDispute}] = true
			if err := judge(s, w, tx, height); err != nil {
				return err
			}
		}
	}
	return nil
}

// judge notes that tx spends a watched outpoint. The first spend decides: a
// later one in the same branch can only be of another input.
func judge(s Store, w Watch, tx chain.Tx, height uint32) error {
	t, err := s.Tracker(w.Row)
	if err != nil || t.Judged+1 != height || t.Spend != Unspent {
		return err
	}
	if w.OfDispute && tx.ID == t.Dispute.ID {
		return back(s, t, height)
	}
	switch {
	case w.OfDispute:
		t.Spend = Replaced
	case tx.ID == t.Penalty.ID:
		t.Spend = ByPenalty
	default:
		t.Spend = ByRival
	}
	t.Spender, t.SpentAt = tx.ID, height
	if err := s.PutTracker(t); err != nil {
		return err
	}
	return s.AddEvent(spent(&t))
}

// back notes that a block holds the dispute of a tracker.
func back(s Store, t Tracker, height uint32) error {
	out := t.DisputeAt == 0
	t.DisputeAt = height
	if err := s.PutTracker(t); err != nil || !out {
		return err
	}
	return s.AddEvent(returned(t.Row, height))
}

// Buried returns the trackers that are irrevocably resolved with the block at
// a height as the tip.
func Buried(s Store, height uint32) ([]Tracker, error) {
	if height < Burial {
		return nil, nil
	}
	return s.SpentUpTo(height - Burial + 1)
}
