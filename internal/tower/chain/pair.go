package chain

import (
	"context"
	"errors"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// Pair is two sources of one chain: the first is asked, the second where it
// fails. Penalties go to both, since one may refuse what the other takes.
type Pair struct{ first, second Source }

// NewPair joins two sources.
func NewPair(first, second Source) *Pair { return &Pair{first, second} }

// Tip implements Source.
func (p *Pair) Tip(ctx context.Context) (Tip, error) {
	tip, err := p.first.Tip(ctx)
	if err == nil {
		return tip, nil
	}
	tip, errSecond := p.second.Tip(ctx)
	return tip, either(err, errSecond)
}

// Block implements Source.
func (p *Pair) Block(ctx context.Context, height uint32) ([]byte, error) {
	block, err := p.first.Block(ctx, height)
	if err == nil {
		return block, nil
	}
	block, errSecond := p.second.Block(ctx, height)
	return block, either(err, errSecond)
}

// BlockHash implements BlockHasher. A source that is none sends the block.
func (p *Pair) BlockHash(ctx context.Context, height uint32) (chainhash.Hash, error) {
	if h, ok := p.first.(BlockHasher); ok {
		if hash, err := h.BlockHash(ctx, height); err == nil {
			return hash, nil
		}
	}
	block, err := p.Block(ctx, height)
	if err != nil {
		return chainhash.Hash{}, err
	}
	if len(block) < headerSize {
		return chainhash.Hash{}, ErrMalformed
	}
	return chainhash.DoubleHashH(block[:headerSize]), nil
}

// Publish implements Source. It succeeds if either source takes it.
func (p *Pair) Publish(ctx context.Context, tx []byte) error {
	err := p.first.Publish(ctx, tx)
	return either(err, p.second.Publish(ctx, tx))
}

// either is nil where one of two tries was.
func either(first, second error) error {
	if first == nil || second == nil {
		return nil
	}
	return errors.Join(first, second)
}
