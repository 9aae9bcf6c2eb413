package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// Errors that stop the follower from going on. It keeps trying.
var (
	// ErrWrongNetwork says that the source serves another chain.
	ErrWrongNetwork = errors.New("the chain source is on another network")
	// ErrDeepFork says that the source's chain leaves ours below all that
	// is remembered: an operator must look.
	ErrDeepFork = errors.New("the chain source's branch leaves ours deeper than we remember")
	// errMoved says that the source changed its mind between two calls.
	errMoved = errors.New("the chain moved while it was read")
)

// Timing of the follower.
const (
	callTimeout = 90 * time.Second
	minBackoff  = time.Second
	maxBackoff  = 30 * time.Second
	// idleChecks is how many quiet polls of a source without hashes pass
	// until the tip is compared all the same: a whole block is fetched.
	idleChecks = 10
	// deepForkPause is how long to wait at most after a fork that was not found:
	// the search fetched all that is remembered.
	deepForkPause = 5 * time.Minute
	// repeatReport is how often a failure that lasts is logged again.
	repeatReport = 10 * time.Minute
	// missingTries is how often a block must be missing, while later ones
	// are served, before it counts as gone.
	missingTries = 3
	// absentPause is for how long a block behind the tip that counts as gone
	// is not asked for again.
	absentPause = 6 * time.Hour
)

// BlockHasher is a Source that can tell a hash without the whole block.
type BlockHasher interface {
	BlockHash(ctx context.Context, height uint32) (chainhash.Hash, error)
}

// Config is how to follow.
type Config struct {
	// Network is the name that the source must give, as in Tip.
	Network string
	// Other says more of a source that gives another name, such as what to do; nil
	// for the names alone.
	Other func(network string) string
	// Poll is how often to ask without a hint.
	Poll time.Duration
	Log  *slog.Logger
}

// Follower keeps a Tower on the best chain of a Source. It compares and does
// not trust events: a hint only wakes it up.
type Follower struct {
	source Source
	tower  Tower
	params *Params
	config Config
	hint   chan struct{}

	missing uint32             // height that was missing last
	misses  int                // how often in a row
	absent  map[uint32]absence // blocks not above the tip that were missing
	forked  bool               // a block did not stand on ours, and none has since
	hinted  bool               // something happened that may be a fork
	idle    int                // quiet polls since the tip was compared
	turns   int                // branches left since the tip was the source's

	told time.Time // of the failure that lasts

	glanceFrom, glanced uint32 // blocks that were looked at, not processed
	glancedAt           time.Time

	mu     sync.Mutex
	status Status
	asked  int       // questions that the source has not answered
	heard  time.Time // of its last answer, or of the first question after it
}

// Status is what the follower last saw of its source.
type Status struct {
	// Height is the best height that the source told; 0 before it did.
	Height uint32
	// Err is why the last round failed, or that the source does not answer; nil
	// if all is well.
	Err error
}

// NewFollower returns a Follower; Run does its work. It fails with
// ErrUnknownNetwork.
func NewFollower(s Source, t Tower, c Config) (*Follower, error) {
	params, err := ParamsFor(c.Network)
	if err != nil {
		return nil, err
	}
	f := &Follower{source: s, tower: t, params: params, config: c, hint: make(chan struct{}, 1), hinted: true, absent: map[uint32]absence{}}
	return f, nil
}

// Hint says that there may be a new block. It never blocks.
func (f *Follower) Hint() {
	select {
	case f.hint <- struct{}{}:
	default:
	}
}

// Status returns what the follower last saw.
func (f *Follower) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	status := f.status
	if status.Err == nil {
		status.Err = f.silent()
	}
	return status
}

func (f *Follower) setStatus(change func(*Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	backoff, deep := minBackoff, maxBackoff
	for ctx.Err() == nil {
		more, err := f.round(ctx)
		f.report(ctx, err)
		if !errors.Is(err, ErrDeepFork) {
			deep = maxBackoff
		}
		switch {
		case errors.Is(err, ErrDeepFork):
			f.wait(ctx, deep)
			deep = min(2*deep, deepForkPause)
		case err != nil:
			f.wait(ctx, jitter(backoff))
			backoff = min(2*backoff, maxBackoff)
		case !more:
			backoff, f.turns = minBackoff, 0
			f.wait(ctx, f.config.Poll)
		case f.turns == 0:
			backoff = minBackoff
		}
	}
}

// jitter spreads retries: half to all of d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2) //nolint:gosec // not a secret
}

// report logs a failure when it begins, now and then while it lasts, and when
// it ends, not at each try.
func (f *Follower) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	var before error
	f.setStatus(func(s *Status) { before, s.Err = s.Err, err })
	switch {
	case err != nil && (before == nil || time.Since(f.told) > repeatReport):
		f.told = time.Now()
		f.config.Log.Warn("the chain can't be followed now; trying again", "err", err)
	case err == nil && before != nil:
		f.config.Log.Info("the chain is being followed again")
	}
}

func (f *Follower) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-f.hint:
		f.hinted = true
	case <-timer.C:
	}
}

// round brings the tower to the source's tip, then does one step of older
// work; more says that there may be another.
func (f *Follower) round(ctx context.Context) (more bool, err error) {
	best, err := f.best(ctx)
	if err != nil {
		return false, err
	}
	tip, found, err := f.tower.Tip(ctx)
	if err != nil {
		return false, err
	}
	if !found {
		return true, f.begin(ctx, best)
	}
	if f.mayHaveForked(tip, best) {
		if left, err := f.leaveBranch(ctx, tip, best); left || err != nil {
			return left, err
		}
	}
	if best > tip.Height {
		return true, f.advance(ctx, tip, best)
	}
	f.forked = false
	return f.older(ctx, tip.Height)
}

// mayHaveForked tells whether to compare the tip with the source's. A block
// that follows tells by itself where it stands; without one, a source that
// must send a whole block for that is asked on suspicion only.
func (f *Follower) mayHaveForked(tip Header, best uint32) bool {
	if _, cheap := f.source.(BlockHasher); cheap || f.forked || best < tip.Height {
		return true
	}
	if best > tip.Height {
		return false
	}
	f.idle = (f.idle + 1) % idleChecks
	return f.hinted || f.idle == 0
}

func (f *Follower) best(ctx context.Context) (uint32, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer f.asking()()
	tip, err := f.source.Tip(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask for the best block: %w", err)
	}
	if tip.Network != f.config.Network {
		return 0, f.config.otherNetwork(tip.Network)
	}
	f.setStatus(func(s *Status) { s.Height = tip.Height })
	return tip.Height, nil
}

func (c Config) otherNetwork(theirs string) error {
	if c.Other != nil {
		return fmt.Errorf("%w: %s", ErrWrongNetwork, c.Other(theirs))
	}
	return fmt.Errorf("%w: %.20q instead of %q", ErrWrongNetwork, theirs, c.Network)
}

func (f *Follower) hash(ctx context.Context, height uint32) (chainhash.Hash, error) {
	h, ok := f.source.(BlockHasher)
	if !ok {
		b, err := f.fetch(ctx, height)
		if err != nil {
			return chainhash.Hash{}, err
		}
		return b.Hash, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer f.asking()()
	hash, err := h.BlockHash(ctx, height)
	if err != nil {
		return hash, fmt.Errorf("ask for the hash of block %d: %w", height, err)
	}
	return hash, nil
}

func (f *Follower) fetch(ctx context.Context, height uint32) (*Block, error) {
	raw, err := f.ask(ctx, height)
	if err != nil {
		return nil, err
	}
	return f.parse(raw, height)
}

func (f *Follower) ask(ctx context.Context, height uint32) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer f.asking()()
	raw, err := f.source.Block(ctx, height)
	if err != nil {
		return nil, fmt.Errorf("fetch block %d: %w", height, err)
	}
	return raw, nil
}

func (f *Follower) parse(raw []byte, height uint32) (*Block, error) {
	b, err := f.params.ParseBlock(raw)
	if err != nil {
		return nil, fmt.Errorf("block %d from the chain source: %w", height, err)
	}
	b.Height = height
	return b, nil
}
