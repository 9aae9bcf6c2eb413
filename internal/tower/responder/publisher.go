package responder

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/tower/chain"
)

// Limits of the publisher.
const (
	// batch is how many penalties are published between two notes of it.
	batch = 64
	// publishTimeout bounds one answer of the backend.
	publishTimeout = 30 * time.Second
	// RetryRefused is when a refused penalty is tried again although no
	// block came: a full mempool or a backend that was down may be over.
	RetryRefused = 30 * time.Second
	// maxReason is how much of a backend's answer is kept, in bytes.
	maxReason = 300
)

// Ledger is where the publisher learns what is due and notes what it did.
// Every call is one transaction.
type Ledger interface {
	// DuePenalties returns unspent trackers as Store.Due does, with the tip
	// for now.
	DuePenalties(ctx context.Context, scope Scope, after int64, limit int) (due []Tracker, tip chain.Header, err error)
	// NoteTries records tries that were made for a tip. Where a reorg has
	// left it meanwhile, they don't count: what was tried stays due.
	NoteTries(ctx context.Context, tip chain.Header, tried []Tracker) error
}

// Broadcaster is the backend's mempool. See chain.Source.
type Broadcaster interface {
	Publish(ctx context.Context, tx []byte) error
}

// Publisher gets penalties out. It decides nothing: a penalty is published at
// every block until the chain has spent its inputs, and a refused one in
// between, too. After a crash it repeats a broadcast at worst.
type Publisher struct {
	ledger Ledger
	out    Broadcaster
	log    *slog.Logger
	wake   chan struct{}
	onTry  func(error)

	mu      sync.Mutex
	waiting map[txid]Tracker // to be published unrecorded
	size    int              // of these penalties, in bytes
}

type txid = chainhash.Hash

// NewPublisher returns a Publisher; Run does its work.
func NewPublisher(l Ledger, out Broadcaster, log *slog.Logger) *Publisher {
	return &Publisher{ledger: l, out: out, log: log, wake: make(chan struct{}, 1), waiting: map[txid]Tracker{}, onTry: func(error) {}}
}

// OnTry sets what is called with the backend's answer to each penalty that was
// handed to it. It must not block, and is called from several lanes at once. Not
// safe once Run was called.
func (p *Publisher) OnTry(f func(error)) { p.onTry = f }

// Wake says that something may be due. It never blocks.
func (p *Publisher) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run publishes what is due until ctx ends. Its first round takes every
// unspent penalty: the node may have lost its mempool while we were away.
func (p *Publisher) Run(ctx context.Context) {
	retry := time.NewTimer(RetryRefused)
	retry.Stop()
	defer retry.Stop()
	armed := false
	first := true
	for scope := All; ; first = false {
		refused, err := p.publishDue(ctx, scope)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.log.Error("penalties could not be published; trying again", "err", err)
		} else {
			scope = AtBlock
		}
		// A timer that runs already is left alone: wakes that come often
		// must not put a retry off for ever.
		// After a start nobody knows what was refused before.
		if (refused || err != nil || first) && !armed {
			retry.Reset(RetryRefused)
			armed = true
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-retry.C:
			scope, armed = max(scope, Refused), false
		}
	}
}

// errDamaged is why a penalty is not published; nothing can be done for it.
var errDamaged = errors.New("the store's copy of the penalty is damaged")

// publish hands a penalty to the backend, after its dispute if a reorg has
// taken that out of the chain.
func (p *Publisher) publish(ctx context.Context, t *Tracker) error {
	if t.Penalty.Raw == nil {
		return errDamaged
	}
	var errDispute error
	if t.DisputeAt == 0 && t.Dispute.Raw != nil {
		errDispute = p.send(ctx, t.Dispute.Raw)
	}
	err := p.send(ctx, t.Penalty.Raw)
	if err != nil && errDispute != nil {
		err = errors.Join(errDispute, err)
	}
	return err
}

func (p *Publisher) send(ctx context.Context, tx []byte) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return p.out.Publish(ctx, tx)
}

func (p *Publisher) note(t *Tracker, tip uint32, err error) {
	first := t.Tries == 0
	was, before := t.Accepted, t.Reason
	t.Tries = t.Tries + 1 - t.Tries/math.MaxUint32 // it stays at its most
	t.TriedAt, t.Accepted, t.Reason = tip, err == nil, reason(err)
	t.Turned = first || was != t.Accepted || before != t.Reason
	attrs := []any{"penalty", t.Penalty.ID, "dispute", t.Dispute.ID, "tries", t.Tries}
	switch {
	case err == nil && (first || !was):
		p.log.Warn("breach answered: the penalty is in the mempool or in a block", attrs...)
	case err != nil && (first || was):
		p.log.Warn("the penalty was refused; it will be tried again until the chain decides",
			append(attrs, "reason", t.Reason)...)
	default:
		p.log.Debug("penalty published again", append(attrs, "reason", t.Reason)...)
	}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	return text[:min(len(text), maxReason)]
}
