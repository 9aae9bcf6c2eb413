package chain

import (
	"context"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// Header is what is remembered of a block.
type Header struct {
	Height     uint32
	Hash, Prev chainhash.Hash
}

// Tower is what the Follower keeps up to date. Every method is one
// transaction: durable when it returns nil, without effect when it fails. The
// Follower calls them one after the other.
type Tower interface {
	// Tip returns the last block that was processed; found is false before
	// the first.
	Tip(ctx context.Context) (h Header, found bool, err error)
	// Header returns a processed block by height, as far back as they are
	// remembered.
	Header(ctx context.Context, height uint32) (h Header, found bool, err error)
	// Begin processes a block that does not stand on the tip: the first
	// ever, the first after a range that the source does not have any more,
	// or one that takes the place of the lowest known and all above it.
	Begin(ctx context.Context, b *Block) error
	// Connect processes the block that stands on the tip.
	Connect(ctx context.Context, b *Block) error
	// Glance answers the breaches in a block above the tip that can't be
	// processed now, as far as that goes without a change to the store. It
	// is no replacement: the block is still to be processed.
	Glance(ctx context.Context, b *Block) error
	// Disconnect undoes every block above a height.
	Disconnect(ctx context.Context, fork uint32) error

	// Young tells whether fewer blocks are remembered than should be: a fork
	// below them need not be a deep one.
	Young(ctx context.Context) (bool, error)
	// WantsOlder returns the lowest known block where the one below it is
	// wanted, too; Backfill takes that.
	WantsOlder(ctx context.Context) (lowest Header, wanted bool, err error)
	Backfill(ctx context.Context, b *Block) error
	// WantsRescan returns a processed block that is wanted once more for a
	// tracker that was made late; Rescan takes it.
	WantsRescan(ctx context.Context) (h Header, wanted bool, err error)
	Rescan(ctx context.Context, b *Block) error
	// SkipRescan says that the block wanted at a height can't be had.
	SkipRescan(ctx context.Context, height uint32) error
}
