// Package chain follows the best chain over a Source: it checks every block
// it is given, finds forks by comparing hashes, and hands each block of each
// branch to the tower exactly once in effect.
package chain

import (
	"context"
	"errors"
)

// Errors that a Source may wrap. Any other error means that the backend could
// not answer now; the follower tries the same height again later.
var (
	// ErrNoBlock says that the backend has no block at that height. It is
	// no proof: a backend that is down may answer the same (lightningd does).
	ErrNoBlock = errors.New("no block at this height")
	// ErrPruned says that the backend had the block and threw it away.
	ErrPruned = errors.New("block is pruned")
)

// Tip is the best block as the backend names it.
type Tip struct {
	// Network is bitcoind's name for the chain: main, test, testnet4,
	// signet or regtest.
	Network string
	// Height of the best block whose data the backend holds.
	Height uint32
}

// Source is a chain backend. It asks for heights only, because that is what
// lightningd offers to any plugin, whatever backend the node itself uses.
//
// All methods may be called concurrently; an implementation that may hold
// only one call at a time (lightningd's bcli) serialises them itself. Each
// returns when ctx ends. Nothing that a Source returns is believed before it
// is checked: see ParseBlock and Follower.
type Source interface {
	// Tip returns the network and the best height.
	Tip(ctx context.Context) (Tip, error)
	// Block returns the serialised block at a height of the best chain. It
	// fails with ErrNoBlock above the tip and with ErrPruned where known.
	// Two calls may answer from two branches: the caller compares hashes.
	Block(ctx context.Context, height uint32) ([]byte, error)
	// Publish hands a serialised transaction to the backend's mempool. Nil
	// says that it is there or already known. An error's text is for the
	// operator only: no text decides what becomes of a penalty.
	Publish(ctx context.Context, tx []byte) error
}

// Wide is a Source to which more than one penalty may be handed at once, and which
// may be asked for more than one block: its calls are not the node's own.
type Wide interface {
	// Lanes is how many; a Source that does not tell takes one after the other.
	Lanes() int
}
