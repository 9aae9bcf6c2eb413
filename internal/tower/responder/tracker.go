// Package responder follows each answer to a breach until the chain has
// decided: it notes what became of each penalty and publishes it again and
// again. The chain is the only judge; what a node answers to a broadcast only
// decides when to try again.
package responder

import (
	"errors"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
)

// Burial is how many blocks deep a transaction must be, its own included, for
// what it decides to be irrevocably resolved (BOLT 5).
const Burial = 100

// ErrNoTracker is what a Store answers for a tracker that is not there.
var ErrNoTracker = errors.New("no such tracker")

// Spend says what the chain has decided so far, at the tracker's SpentAt.
type Spend uint8

const (
	// Unspent: nothing yet; the penalty is pending.
	Unspent Spend = iota
	// ByPenalty: the penalty confirmed.
	ByPenalty
	// ByRival: another transaction spent what the penalty spends.
	ByRival
	// Replaced: a reorg took the dispute out of the chain, and another
	// transaction spent what the dispute spends.
	Replaced
)

// String names the state that the spend leaves a tracker in.
func (s Spend) String() string {
	switch s {
	case ByPenalty:
		return "confirmed"
	case ByRival:
		return "rivalled"
	case Replaced:
		return "replaced"
	default:
		return "pending"
	}
}

// Tracker is an appointment that was triggered, and what became of it.
type Tracker struct {
	// Row is that of the appointment.
	Row int64
	// Dispute is the transaction that broke the appointment. Where the
	// appointment came after it, its bytes may not be known yet: Raw is nil
	// then.
	Dispute chain.Tx
	// DisputeAt is the height of its block; 0 while a reorg has it out.
	DisputeAt uint32
	// Penalty is what is published; its Raw is nil where the store's copy is
	// damaged.
	Penalty chain.Tx
	// Spent are the outputs of the dispute that the penalty spends, in the
	// order of its inputs; nil while the dispute's bytes were not seen, and
	// where they don't tell whether the penalty is right.
	Spent []wire.TxOut
	// Doubtful says that the penalty's scripts are not right, as far as
	// Verify can tell. It is published after those that are.
	Doubtful bool
	// Judged is the height of the last block that was searched for spends.
	Judged uint32
	// Spend, Spender and SpentAt are what the blocks up to Judged decide.
	Spend   Spend
	Spender chainhash.Hash
	SpentAt uint32
	// Tries is how often the penalty was published, up to 2^32-1; TriedAt the tip's
	// height at the last time, 0 if it is due whatever the height;
	// Accepted and Reason what the backend said then.
	Tries    uint32
	TriedAt  uint32
	Accepted bool
	Reason   string
	// Turned says of a try that the backend's answer is another than the last.
	Turned bool
}

// Described tells whether the dispute's bytes were looked at for the tracker.
func (t *Tracker) Described() bool { return t.Spent != nil || t.Doubtful }

// Scope says which of the unspent trackers are due.
type Scope uint8

const (
	// AtBlock: those that were last tried below the tip. Of doubtful ones
	// that were refused only those that a reorg made due.
	AtBlock Scope = iota
	// Refused: those that were not accepted, at whatever height. They come
	// in the order of their tries; the row to come after does not count.
	Refused
	// All: every one, with the same exception.
	All
	// Untried: those that were never tried and are not doubtful.
	Untried
	// Doubtful: the doubtful ones that were never tried.
	Doubtful
)

// Watch is an outpoint whose spend tells something about a tracker.
type Watch struct {
	Outpoint wire.OutPoint
	Row      int64
	// OfDispute says that the dispute spends it, not the penalty.
	OfDispute bool
}

// Store is what the responder needs of a transaction.
type Store interface {
	// Tracker returns the tracker of an appointment, or ErrNoTracker.
	Tracker(row int64) (Tracker, error)
	// InsertTracker adds a tracker; PutTracker replaces it.
	InsertTracker(t Tracker) error
	PutTracker(t Tracker) error
	// AddWatches adds outpoints to watch; repeats do no harm.
	AddWatches(ws []Watch) error
	// WatchesOf returns the watches of any of these outpoints, by indexed
	// queries: a block's work does not grow with what is watched.
	WatchesOf(outpoints []wire.OutPoint) ([]Watch, error)
	// WithoutDispute returns the trackers whose dispute is in the block at
	// a height and was not described to them: nothing is Spent, and they
	// are not Doubtful.
	WithoutDispute(height uint32) ([]Tracker, error)
	// SetJudged moves the trackers that are judged up to height-1 to height.
	SetJudged(height uint32) error
	// DecidedAbove returns the trackers of which UndoAbove forgets a spend or
	// a dispute.
	DecidedAbove(height uint32) ([]Tracker, error)
	// UndoAbove makes undone whatever was decided above a height: spends
	// and disputes there are forgotten, nothing is judged beyond it, and
	// whatever is unspent is due.
	UndoAbove(height uint32) error
	// SpentUpTo returns the trackers that are spent at or below a height.
	SpentUpTo(height uint32) ([]Tracker, error)
	// DropTracker deletes a tracker and its watches.
	DropTracker(row int64) error
	// Due returns unspent trackers behind a row, in order.
	Due(tip uint32, scope Scope, after int64, limit int) ([]Tracker, error)
	// NoteTry records a try: Tries, TriedAt, Accepted, Reason, Doubtful.
	// Where the tracker's DisputeAt is another by now, it records nothing,
	// and tells so.
	NoteTry(t Tracker) (noted bool, err error)
	// AddEvent keeps an event, now.
	AddEvent(e Event) error
}
