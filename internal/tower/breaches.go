package tower

import (
	"context"
	"slices"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower/responder"
)

// BreachState says how far the answer to a breach is.
type BreachState string

// The states of a breach. It is over in the last two.
const (
	// Pending: the penalty is in the mempool, or on its way there.
	Pending BreachState = "pending"
	// Refused: the backend refused the penalty at the last try.
	Refused BreachState = "refused"
	// Confirmed: the penalty is in a block, not buried yet.
	Confirmed BreachState = "confirmed"
	// Rivalled: another transaction spent what the penalty spends.
	Rivalled BreachState = "rivalled"
	// Replaced: a reorg took the dispute out, and another transaction
	// spent what it spends.
	Replaced BreachState = "replaced"
	// Resolved: the penalty is buried. The breach is over.
	Resolved BreachState = "resolved"
	// Lost: the rival is buried. The breach is over.
	Lost BreachState = "lost"
)

// BreachStates are all states, in the order in which a breach may go through
// them.
var BreachStates = []BreachState{Pending, Refused, Confirmed, Rivalled, Replaced, Resolved, Lost}

// Breach is a breach as the operator sees it. Heights are block heights, 0
// where there is none.
type Breach struct {
	// Tracker is what is known of the answer. Of a breach that is over, the
	// transactions have ids only.
	responder.Tracker
	State       BreachState
	User        teos.UserID
	Locator     teos.Locator
	ToSelfDelay uint32
	// Over is the height at which the breach was over, When the time.
	Over uint32
	When time.Time
	// History is what happened to it, in order; it is filled in by the Tower.
	History []Event
}

// BreachStore is what the store knows of breaches.
type BreachStore interface {
	// Breaches returns breaches, the last row first.
	Breaches(q BreachQuery) ([]Breach, error)
	// BreachIn returns the breach of an appointment that is or was in a row.
	BreachIn(row int64) (b Breach, found bool, err error)
	// BreachesAt returns the rows of breaches at a locator, of one user if
	// that is not nil, the last first.
	BreachesAt(l teos.Locator, user *teos.UserID, limit int) ([]int64, error)
	// EvidenceIn returns what is kept of the appointment of a breach.
	EvidenceIn(row int64) (k KeptEvidence, found bool, err error)
}

// BlocksLeft returns how many blocks may still come, after the one at a height,
// until the next one may hold the cheater's own spend: the dispute's output is
// locked for to_self_delay blocks (BOLT 3), as far as the appointment tells it
// truly. It is 0 where nothing is left to win.
func (b Breach) BlocksLeft(height uint32) uint32 {
	from := int64(b.DisputeAt) + int64(b.ToSelfDelay)
	if b.Spend != responder.Unspent || b.DisputeAt == 0 || from <= int64(height)+1 {
		return 0
	}
	return uint32(from - int64(height) - 1) //nolint:gosec // at most to_self_delay
}

// BreachQuery asks for breaches, the appointments that came last first.
type BreachQuery struct {
	// State is the only state that is wanted; "" for all.
	State BreachState
	// Before is the row of the last breach of the page before; 0 for the
	// first page.
	Before int64
	// Limit is how many are wanted, 1 to MaxBreaches.
	Limit int
}

// Check fails with what is wrong with a query, in the words of who asked.
func (q BreachQuery) Check() error {
	switch {
	case q.State != "" && !slices.Contains(BreachStates, q.State):
		return teos.Errorf(teos.WrongType, "there is no state %.40q: it is one of %s", string(q.State), BreachStates)
	case q.Limit < 1 || q.Limit > MaxBreaches:
		return teos.Errorf(teos.WrongType, "limit must be 1 to %d", MaxBreaches)
	case q.Before < 0:
		return teos.Errorf(teos.WrongType, "before must be the \"next\" of the page before")
	}
	return nil
}

// MaxBreaches is how many breaches one page may have.
const MaxBreaches = 1000

// BreachPage is a page of breaches.
type BreachPage struct {
	Breaches []Breach
	// Height is the last block that was processed.
	Height uint32
	// More tells whether there is a next page.
	More bool
}

// Breaches returns a page of breaches.
func (t *Tower) Breaches(ctx context.Context, q BreachQuery) (page BreachPage, err error) {
	if err := q.Check(); err != nil {
		return page, err
	}
	err = t.store.View(ctx, func(tx Tx) error {
		tip, _, err := tx.Tip()
		if err != nil {
			return err
		}
		page.Height = tip.Height
		q.Limit++
		if page.Breaches, err = tx.Breaches(q); err != nil {
			return err
		}
		for i := range page.Breaches {
			if page.Breaches[i].History, err = tx.History(page.Breaches[i].Row); err != nil {
				return err
			}
		}
		return nil
	})
	if page.More = len(page.Breaches) == q.Limit; page.More {
		page.Breaches = page.Breaches[:q.Limit-1]
	}
	return page, err
}
