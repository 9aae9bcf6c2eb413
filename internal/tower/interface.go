// Package tower is the watchtower itself: the use cases of its users and of
// the chain, and the borders of the transactions in which they happen. One
// request is one transaction, one block is one transaction, and no network
// call is made inside either.
package tower

import (
	"context"
	"errors"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// ErrStore is in the chain of every error that the store itself caused: a full
// or failing disk, a locked or damaged file. It is no defect of ours, and may
// pass.
var ErrStore = errors.New("the store failed")

// Store keeps everything. What a function did is kept whole or not at all.
//
// A Store may run several functions one after the other in one commit, but
// never tells one of them that it succeeded before that commit is durable,
// and never lets one's failure touch another, unless it is the file's: then
// ErrStore may be what all of them fail with. Functions must not keep the Tx,
// nor call the Store.
type Store interface {
	// Update runs f alone among writers and returns after its changes are
	// durable. If f fails, nothing of it is kept and its error returns. It
	// may run f again, as if it had not run before, where what f does turns
	// out to need a commit of its own.
	Update(ctx context.Context, f func(Tx) error) error
	// View runs f on one state of the store.
	View(ctx context.Context, f func(Tx) error) error
}

// Tx is a transaction: what each part of the tower needs of it.
type Tx interface {
	gatekeeper.Store
	watcher.Store
	responder.Store
	BlockStore
	UserStore
	StatsStore
	EventStore
	BreachStore
	AdoptStore
	ListStore
	AccessStore
}

// BlockStore holds the recent blocks: enough headers to find a fork, and the
// transactions of the last of them, for appointments that come late.
type BlockStore interface {
	// Tip is the last block that was processed whole; found is false
	// before the first. Most often it need not be read.
	Tip() (h chain.Header, found bool, err error)
	// Header returns a stored block by height.
	Header(height uint32) (h chain.Header, found bool, err error)
	// Lowest returns the lowest stored block.
	Lowest() (h chain.Header, found bool, err error)
	// PutBlock stores a block and, if recent is set, its transactions;
	// PutRecent stores only those.
	PutBlock(b *chain.Block, recent bool) error
	PutRecent(b *chain.Block) error
	// LowestRecent returns the lowest block whose transactions are stored.
	LowestRecent() (h chain.Header, found bool, err error)
	// DropAbove deletes the blocks above a height and their transactions.
	DropAbove(height uint32) error
	// CutBlocks deletes blocks below a height; CutRecent only their
	// transactions.
	CutBlocks(below uint32) error
	CutRecent(below uint32) error
	// AddBlind notes blocks, both ends included, that were never seen;
	// IsBlind tells whether one is among them.
	AddBlind(from, to uint32) error
	IsBlind(height uint32) (bool, error)
	// Unjudged returns the lowest height that a tracker has yet to be
	// judged by, if any is below or at the tip.
	Unjudged(tip uint32) (height uint32, found bool, err error)
	// SkipJudging moves trackers that are judged below a height up to it.
	SkipJudging(height uint32) error
}

// UserStore is what the users' use cases need beside the parts' own stores.
type UserStore interface {
	// Locators returns the locators of a user's appointments by ascending
	// row: those of the first so many rows after one, and the last of these
	// rows.
	Locators(userRow, after int64, limit int) (ls []teos.Locator, last int64, err error)
	// Refund gives a user back what an appointment took that is dropped;
	// slots up to 2^32-1.
	Refund(userRow int64, l gatekeeper.Load) error
	// DropAppointment deletes an appointment that has no tracker.
	DropAppointment(row int64) error
	// AddResolution keeps what became of a breach, and the evidence of it. Its
	// tracker and its appointment are still stored.
	AddResolution(r Resolution) error
}

// StatsStore is what the operator sees.
type StatsStore interface {
	Stats() (Stats, error)
	// Identity returns what Update last wrote under a name, "" if nothing;
	// SetIdentity writes it.
	Identity(name string) (string, error)
	SetIdentity(name, value string) error
}

// Resolution is a breach that is over. Its appointment is still stored.
type Resolution struct {
	Tracker responder.Tracker
	Locator teos.Locator
	Height  uint32
	When    time.Time
}

// Range is a run of blocks, both ends included.
type Range struct{ From, To uint32 }

// Stats counts what is stored.
type Stats struct {
	Users, Appointments uint64
	// Bytes are those of all encrypted blobs.
	Bytes                        uint64
	Pending, Confirmed, Rivalled uint64
	Resolved, Lost               uint64
	// Refused are the pending ones whose penalty the backend refused at the
	// last try, Refusal its words for one of them.
	Refused uint64
	Refusal string
	// RefusedUntil is the lowest height at which the cheater of one of these may
	// spend, if its to_self_delay is true; of those only whose penalty's scripts
	// are right, or not known to be wrong. 0 where there is none.
	RefusedUntil uint64
	// Knocks is how many keys tried to register and may not, of MaxKnocks.
	Knocks     uint64
	RecentFrom uint32
	Blind      []Range
}
