package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	hash, err := hashFrom(ctx, p.first, height)
	if err == nil {
		return hash, nil
	}
	hash, errSecond := hashFrom(ctx, p.second, height)
	return hash, either(err, errSecond)
}

func hashFrom(ctx context.Context, s Source, height uint32) (chainhash.Hash, error) {
	if h, ok := s.(BlockHasher); ok {
		return h.BlockHash(ctx, height)
	}
	block, err := s.Block(ctx, height)
	if err != nil {
		return chainhash.Hash{}, err
	}
	if len(block) < headerSize {
		return chainhash.Hash{}, ErrMalformed
	}
	return chainhash.DoubleHashH(block[:headerSize]), nil
}

// publishTimeout bounds either source's answer: one that hangs must not use up
// the time of a penalty that the other has taken long since.
const publishTimeout = 10 * time.Second

// Publish implements Source. Both sources are asked at once, and it succeeds
// if either takes the transaction.
func (p *Pair) Publish(ctx context.Context, tx []byte) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	first := make(chan error, 1)
	go func() { first <- p.first.Publish(ctx, tx) }()
	second := p.second.Publish(ctx, tx)
	return either(<-first, second)
}

// either is nil where one of two tries was. A block is missing only where both
// say so: a source that is down may have it.
func either(first, second error) error {
	switch {
	case first == nil || second == nil:
		return nil
	case isMissing(first) && !isMissing(second):
		return fmt.Errorf("%w (the other source: %s)", second, first.Error())
	case isMissing(second) && !isMissing(first):
		return fmt.Errorf("%w (the other source: %s)", first, second.Error())
	default:
		return errors.Join(first, second)
	}
}
