package model

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// kind names what befalls the tower.
type kind string

const (
	starting      kind = "start"
	registering   kind = "register"
	adding        kind = "add"
	connecting    kind = "connect"
	beginning     kind = "begin"
	disconnecting kind = "disconnect"
	backfilling   kind = "backfill"
	rescanning    kind = "rescan"
	skipping      kind = "skip"
)

// event is one transaction of the tower and what it was for.
type event struct {
	kind    kind
	block   *chain.Block
	height  uint32
	user    int
	dialect teos.Dialect
	plan    *plan
	recent  uint32 // blocks, from a start on

	done  bool // its transaction was committed
	cut   bool // a fault of ours hit it, so that who asked can't know
	over  []tower.Resolution
	check func(want answer) error // set by who asked
}

func (e *event) String() string {
	switch e.kind {
	case registering, adding:
		return fmt.Sprintf("%s by user %d", e.kind, e.user)
	case disconnecting, skipping:
		return fmt.Sprintf("%s to %d", e.kind, e.height)
	default:
		return fmt.Sprintf("%s block %d", e.kind, e.block.Height)
	}
}

func (e *event) compare(want answer) error {
	if (want.cause == 0) != e.done {
		return fmt.Errorf("%v succeeded: %t, want cause %d", e, e.done, want.cause)
	}
	if e.cut || e.check == nil {
		return nil
	}
	return e.check(want)
}

type eventKey struct{}

func with(ctx context.Context, e *event) context.Context {
	return context.WithValue(ctx, eventKey{}, e)
}

// moment is when in a transaction a fault strikes.
type moment uint32

const (
	before moment = iota
	inside
	behind // committed, and nobody was told
	moments
)

var (
	errDead = errors.New("the process is dead")
	errDisk = errors.New("the disk is full")
)

// journal is a store that notes all transactions in the order of their
// commits, and fails or dies at one of them.
type journal struct {
	tower.Store
	mu     sync.Mutex
	events *[]*event
	sent   *[]sending
	dead   bool
	kill   func()

	left  uint32 // transactions until the fault; 0 for none
	when  moment
	fatal bool
}

// sending is a try to publish, and how many events there were before.
type sending struct {
	tx    string
	after int
	err   error
}

func (j *journal) arm(n uint32, when moment, fatal bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.left, j.when, j.fatal = n, when, fatal
}

// strikes tells whether the fault befalls this transaction.
func (j *journal) strikes() bool {
	if j.left == 0 {
		return false
	}
	j.left--
	return j.left == 0
}

func (j *journal) die() error {
	if !j.fatal {
		return errDisk
	}
	j.dead = true
	j.kill()
	return errDead
}

// Update implements tower.Store.
func (j *journal) Update(ctx context.Context, f func(tower.Tx) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dead {
		return errDead
	}
	strikes := j.strikes()
	if strikes && j.when == before {
		return j.die()
	}
	e, _ := ctx.Value(eventKey{}).(*event)
	err := j.Store.Update(ctx, func(tx tower.Tx) error {
		err := f(&spy{tx, e})
		if strikes && j.when == inside {
			return errDisk
		}
		return err
	})
	var refused *teos.Error
	if e != nil && (err == nil || errors.As(err, &refused)) {
		e.done, e.cut = err == nil, strikes
		*j.events = append(*j.events, e)
	}
	if strikes {
		return j.die()
	}
	return err
}

// View implements tower.Store.
func (j *journal) View(ctx context.Context, f func(tower.Tx) error) error {
	if j.isDead() {
		return errDead
	}
	return j.Store.View(ctx, f)
}

func (j *journal) isDead() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dead
}

// spy is a transaction that notes what no method reads back.
type spy struct {
	tower.Tx
	e *event
}

func (s *spy) AddResolution(r tower.Resolution) error {
	if s.e != nil {
		s.e.over = append(s.e.over, r)
	}
	return s.Tx.AddResolution(r)
}

// noted is the chain's side of a tower, with a note on each call.
type noted struct{ *tower.Tower }

func (n noted) Begin(ctx context.Context, b *chain.Block) error {
	return n.Tower.Begin(with(ctx, &event{kind: beginning, block: b}), b)
}

func (n noted) Connect(ctx context.Context, b *chain.Block) error {
	return n.Tower.Connect(with(ctx, &event{kind: connecting, block: b}), b)
}

func (n noted) Disconnect(ctx context.Context, fork uint32) error {
	return n.Tower.Disconnect(with(ctx, &event{kind: disconnecting, height: fork}), fork)
}

func (n noted) Backfill(ctx context.Context, b *chain.Block) error {
	return n.Tower.Backfill(with(ctx, &event{kind: backfilling, block: b}), b)
}

func (n noted) Rescan(ctx context.Context, b *chain.Block) error {
	return n.Tower.Rescan(with(ctx, &event{kind: rescanning, block: b}), b)
}

func (n noted) SkipRescan(ctx context.Context, height uint32) error {
	return n.Tower.SkipRescan(with(ctx, &event{kind: skipping, height: height}), height)
}

// line is the chain source as one process has it: it is cut when that dies.
type line struct {
	*chaintest.Chain
	world *world
	j     *journal
	lag   *atomic.Int64 // how long a call takes, in nanoseconds
}

func (l line) wait(ctx context.Context) {
	if lag := l.lag.Load(); lag > 0 {
		select {
		case <-time.After(time.Duration(lag)):
		case <-ctx.Done():
		}
	}
}

func (l line) Block(ctx context.Context, height uint32) ([]byte, error) {
	l.wait(ctx)
	if l.world.isDenied(height) {
		return nil, chain.ErrNoBlock
	}
	return l.Chain.Block(ctx, height)
}

func (l line) Publish(ctx context.Context, tx []byte) error {
	l.j.mu.Lock()
	after, dead := len(*l.j.events), l.j.dead
	l.j.mu.Unlock()
	if dead {
		return errDead
	}
	err := l.Chain.Publish(ctx, tx)
	l.wait(ctx)
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	*l.j.sent = append(*l.j.sent, sending{string(tx), after, err})
	return err
}
