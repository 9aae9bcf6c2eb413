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
	// pairTimeout bounds an answer of the source that is asked first, and of
	// either to a question to both: one that hangs must not use up the time
	// of the other.
	pairTimeout = 10 * time.Second
	// restFor is for how long a source that failed is asked last.
	restFor = time.Minute
	// syncsFor is for how long a source that is behind may stand still and
	// still count as one that is catching up.
	syncsFor = time.Hour
	// glimpse is how often the second source is asked for its tip while the
	// first one leads: it may be lightningd's, whose lane is not ours.
	glimpse = 30 * time.Second
)

// Pair is two sources of one chain. Blocks come from the one whose chain is
// longer, the first if neither's is, and from the other where that fails.
// Penalties go to both, since one may refuse what the other takes.
type Pair struct {
	log *slog.Logger

	mu      sync.Mutex
	members [2]member
	lead    int // the one with the longer chain
}

// member is a source of a Pair and what it last said.
type member struct {
	Backend
	health
	tip  Tip
	told time.Time // when it told its tip
	rose time.Time // when that was last higher than before
}

// NewPair joins two sources.
func NewPair(first, second Backend, log *slog.Logger) *Pair {
	return &Pair{log: log, members: [2]member{{Backend: first}, {Backend: second}}}
}

// Tip implements Source: the longer chain's. A source that fails is left alone
// for a while, unless the other fails, too.
func (p *Pair) Tip(ctx context.Context) (Tip, error) {
	var tips [2]Tip
	errs := [2]error{errResting, errResting}
	ask := func(ctx context.Context, i int) { tips[i], errs[i] = p.askTip(ctx, i) }
	p.both(ctx, func(ctx context.Context, i int) {
		if tip, fresh := p.glimpsed(i); fresh {
			tips[i], errs[i] = tip, nil
		} else if !p.resting(i) {
			ask(ctx, i)
		}
	})
	for i := range errs {
		if errors.Is(errs[i], errResting) && errs[1-i] != nil {
			ask(ctx, i)
		}
	}
	if errs[0] != nil && errs[1] != nil {
		return Tip{}, together(p.named(0, errs[0]), p.named(1, errs[1]))
	}
	longer := tips[1].Network == tips[0].Network && tips[1].Height > tips[0].Height
	if errs[0] == nil && (errs[1] != nil || !longer) {
		return p.follow(0, tips[0]), nil
	}
	return p.follow(1, tips[1]), nil
}

// errResting stands for the answer of a source that was not asked.
var errResting = errors.New("it failed a short while ago")

// askTip asks one source.
func (p *Pair) askTip(ctx context.Context, i int) (Tip, error) {
	tip, err := p.members[i].Tip(ctx)
	p.note(i, CallTip, err)
	p.noteTip(i, tip, err)
	return tip, err
}

// named says whose error it is.
func (p *Pair) named(i int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", p.members[i].Name, err)
}

// follow lets a source be asked first.
func (p *Pair) follow(lead int, tip Tip) Tip {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lead = lead
	return tip
}

// glimpsed returns the second source's tip where that need not be asked for.
func (p *Pair) glimpsed(i int) (tip Tip, fresh bool) {
	if i == 0 || p.resting(0) || p.leader() != 0 {
		return tip, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &p.members[i]
	return m.tip, m.failed.IsZero() && time.Since(m.told) < glimpse
}

func (p *Pair) noteTip(i int, tip Tip, err error) {
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &p.members[i]
	m.told = time.Now()
	if tip.Height > m.tip.Height {
		m.rose = m.told
	}
	m.tip = tip
}

// both calls f for each source at once, for as long as pairTimeout.
func (p *Pair) both(ctx context.Context, f func(ctx context.Context, i int)) {
	ctx, cancel := context.WithTimeout(ctx, pairTimeout)
	defer cancel()
	var work sync.WaitGroup
	work.Go(func() { f(ctx, 0) })
	f(ctx, 1)
	work.Wait()
}

// Block implements Source.
func (p *Pair) Block(ctx context.Context, height uint32) (block []byte, err error) {
	err = p.ask(ctx, CallBlock, height, func(ctx context.Context, s Source) (err error) {
		block, err = s.Block(ctx, height)
		return err
	})
	return block, err
}

// BlockHash implements BlockHasher. A source that is none sends the block.
func (p *Pair) BlockHash(ctx context.Context, height uint32) (hash chainhash.Hash, err error) {
	err = p.ask(ctx, CallHash, height, func(ctx context.Context, s Source) (err error) {
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

// ask asks for something at a height: first the source with the longer chain,
// unless it failed a short while ago, then the other. The time of one of them
// is bounded: of the one that failed, or else of the first.
func (p *Pair) ask(ctx context.Context, what Call, height uint32, call func(context.Context, Source) error) error {
	i := p.leader()
	rests, otherRests := p.resting(i), p.resting(1-i)
	if rests && !otherRests {
		i = 1 - i
	}
	last := rests != otherRests // the one that is bounded is asked last
	var errs [2]error
	if errs[i] = p.askOne(ctx, what, i, !last, call); errs[i] == nil {
		return nil
	}
	errs[1-i] = p.askOne(ctx, what, 1-i, last, call)
	return either(p.unlessSyncing(0, height, errs[0]), p.unlessSyncing(1, height, errs[1]))
}

func (p *Pair) askOne(ctx context.Context, what Call, i int, bounded bool, call func(context.Context, Source) error) error {
	if bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, pairTimeout)
		defer cancel()
	}
	err := call(ctx, p.members[i].Source)
	p.note(i, what, err)
	return p.named(i, err)
}

func (p *Pair) leader() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lead
}

func (p *Pair) resting(i int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &p.members[i]
	return !m.failed.IsZero() && time.Since(m.failed) < restFor
}

// unlessSyncing takes the word of a source that has no block at a height, unless
// it has not come that far yet.
func (p *Pair) unlessSyncing(i int, height uint32, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &p.members[i]
	if !errors.Is(err, ErrNoBlock) || m.tip.Height >= height || time.Since(m.rose) > syncsFor {
		return err
	}
	return fmt.Errorf("a chain source that is at block %d still has none at %d", m.tip.Height, height)
}

// Publish implements Source. Both sources are asked at once, and it succeeds
// if either takes the transaction.
func (p *Pair) Publish(ctx context.Context, tx []byte) error {
	var errs [2]error
	p.both(ctx, func(ctx context.Context, i int) { errs[i] = p.members[i].Publish(ctx, tx) })
	return either(errs[0], errs[1])
}

// Lanes implements Wide: those of the wider source. The other lets calls wait.
func (p *Pair) Lanes() int {
	lanes := 1
	for i := range p.members {
		if wide, ok := p.members[i].Source.(Wide); ok {
			lanes = max(lanes, wide.Lanes())
		}
	}
	return lanes
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
		return together(first, second)
	}
}

// together is both errors in one line.
func together(first, second error) error { return fmt.Errorf("%w; %w", first, second) }
