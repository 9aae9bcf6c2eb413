package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// Timing of a Pair.
const (
	// pairTimeout bounds an answer of the first source, and of either to a
	// broadcast: one that hangs must not use up the time of the other.
	pairTimeout = 10 * time.Second
	// restFor is for how long a first source that failed is left alone.
	restFor = time.Minute
)

// Pair is two sources of one chain: the first is asked, the second where it
// fails. Penalties go to both, since one may refuse what the other takes.
type Pair struct {
	first, second Source
	log           *slog.Logger

	mu     sync.Mutex
	failed time.Time // when the first source failed last; zero if it did not
}

// NewPair joins two sources.
func NewPair(first, second Source, log *slog.Logger) *Pair {
	return &Pair{first: first, second: second, log: log}
}

// Tip implements Source.
func (p *Pair) Tip(ctx context.Context) (tip Tip, err error) {
	err = p.ask(ctx, func(ctx context.Context, s Source) (err error) {
		tip, err = s.Tip(ctx)
		return err
	})
	return tip, err
}

// Block implements Source.
func (p *Pair) Block(ctx context.Context, height uint32) (block []byte, err error) {
	err = p.ask(ctx, func(ctx context.Context, s Source) (err error) {
		block, err = s.Block(ctx, height)
		return err
	})
	return block, err
}

// BlockHash implements BlockHasher. A source that is none sends the block.
func (p *Pair) BlockHash(ctx context.Context, height uint32) (hash chainhash.Hash, err error) {
	err = p.ask(ctx, func(ctx context.Context, s Source) (err error) {
		hash, err = hashFrom(ctx, s, height)
		return err
	})
	return hash, err
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

// ask asks the first source, unless it failed a short while ago, and the
// second where that fails.
func (p *Pair) ask(ctx context.Context, call func(context.Context, Source) error) error {
	if p.resting() {
		err := call(ctx, p.second)
		if err == nil {
			return nil
		}
		return either(p.askFirst(ctx, call), err)
	}
	err := p.askFirst(ctx, call)
	if err == nil {
		return nil
	}
	return either(err, call(ctx, p.second))
}

func (p *Pair) askFirst(ctx context.Context, call func(context.Context, Source) error) error {
	ctx, cancel := context.WithTimeout(ctx, pairTimeout)
	defer cancel()
	err := call(ctx, p.first)
	p.note(err)
	return err
}

func (p *Pair) resting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.failed.IsZero() && time.Since(p.failed) < restFor
}

// note remembers a failure of the first source, and tells of its beginning and
// its end. That a block is missing is none.
func (p *Pair) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil || isMissing(err):
		if !p.failed.IsZero() {
			p.log.Info("the first chain source answers again")
		}
		p.failed = time.Time{}
	default:
		if p.failed.IsZero() {
			p.log.Warn("the first chain source fails; the second is asked instead", "err", err)
		}
		p.failed = time.Now()
	}
}

// Publish implements Source. Both sources are asked at once, and it succeeds
// if either takes the transaction.
func (p *Pair) Publish(ctx context.Context, tx []byte) error {
	ctx, cancel := context.WithTimeout(ctx, pairTimeout)
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
