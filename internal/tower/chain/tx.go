package chain

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// Tx is what a watcher needs of a transaction.
type Tx struct {
	ID chainhash.Hash
	// Raw is the whole serialisation, witness included. In a Block it is
	// a part of the block's bytes: to keep it is to keep the block, so
	// copy what outlives it. Nothing here commits to the witness.
	Raw []byte
	// Inputs are the outputs it spends, in order. The only input of a
	// coinbase spends the null outpoint.
	Inputs []wire.OutPoint
	// Outputs is how many it has.
	Outputs uint32
}

// Spends tells whether tx names the other transaction as one that it spends.
func (tx Tx) Spends(other chainhash.Hash) bool {
	return slices.ContainsFunc(tx.Inputs, func(in wire.OutPoint) bool { return in.Hash == other })
}

// SpendsOutputOf tells whether tx spends an output that the other transaction
// has. One that only names it can never be valid.
func (tx Tx) SpendsOutputOf(other Tx) bool {
	return slices.ContainsFunc(tx.Inputs, func(in wire.OutPoint) bool {
		return in.Hash == other.ID && in.Index < other.Outputs
	})
}

// ParseTx parses one serialised transaction (BIP 144, or without witness) and
// nothing else: trailing bytes fail, and so does what consensus lets into no
// block (no input, no output, a length longer than need be, an empty
// witness). Every failure wraps ErrMalformed. Raw is raw itself, not a copy.
func ParseTx(raw []byte) (Tx, error) {
	c := cursor{buf: raw}
	tx := c.tx()
	if c.failed || c.rest() != 0 {
		return Tx{}, fmt.Errorf("%w: not exactly one transaction", ErrMalformed)
	}
	return tx, nil
}

// txid hashes the serialisation without the witness (BIP 141).
func txid(version, body, lockTime []byte) chainhash.Hash {
	h := sha256.New()
	h.Write(version)
	h.Write(body)
	h.Write(lockTime)
	var first [sha256.Size]byte
	return sha256.Sum256(h.Sum(first[:0]))
}
