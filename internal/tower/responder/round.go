package responder

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// round is one pass over what is due.
type round struct {
	*Publisher
	scope Scope
	// after is the last row of each scope that was taken; done are the rows
	// that were published already, before their turn.
	after map[Scope]int64
	done  map[int64]bool
	// answers are what the backend said of each penalty while the tip was
	// the same: ten thousand users may hand in the same one, and once in a
	// round is enough. Those that it took are kept under their ids, refused
	// ones under the hash of all their bytes: with another witness, which is
	// no part of the id, one may be taken. Lanes share them.
	mu      sync.Mutex
	answers map[chainhash.Hash]error
	tip     chainhash.Hash

	refused bool
	err     error
}

// publishDue publishes all that is due and returns whether anything was
// refused. A try that can't be noted is repeated at worst: it must not keep
// what comes after it waiting, so the round goes on, and fails at its end.
func (p *Publisher) publishDue(ctx context.Context, s Scope) (refused bool, err error) {
	r := &round{
		Publisher: p, scope: s,
		after: map[Scope]int64{}, done: map[int64]bool{}, answers: map[chainhash.Hash]error{},
	}
	for r.step(ctx) {
		if ctx.Err() != nil {
			return r.refused, ctx.Err()
		}
	}
	return r.refused, r.err
}

// step publishes a batch and returns whether there may be another. What was
// never tried goes first, before each batch of what was: a breach that is found
// while thousands of refused penalties are tried again must not stand in line
// behind them. What is doubtful comes after all that is not, and of what was
// refused only a single batch is tried, of those that were tried least: what
// strangers make the tower try in vain costs the node little.
func (r *round) step(ctx context.Context) (more bool) {
	if r.unrecorded(ctx); ctx.Err() != nil {
		return false
	}
	scope := r.scope
	if scope == Refused {
		scope = AtBlock
	}
	for _, s := range []Scope{Untried, scope, Doubtful} {
		if r.batch(ctx, s) {
			return true
		}
	}
	if r.scope == Refused && ctx.Err() == nil {
		r.batch(ctx, Refused)
	}
	return false
}

func (r *round) batch(ctx context.Context, s Scope) (more bool) {
	due, tip, err := r.ledger.DuePenalties(ctx, s, r.after[s], batch)
	if err != nil || len(due) == 0 {
		r.err = errors.Join(r.err, err)
		return false
	}
	if tip.Hash != r.tip {
		r.tip, r.done, r.answers = tip.Hash, map[int64]bool{}, map[chainhash.Hash]error{}
	}
	r.after[s] = due[len(due)-1].Row
	first := s == Untried || s == Doubtful
	if !first {
		due = slices.DeleteFunc(due, func(t Tracker) bool { return r.done[t.Row] })
	}
	if r.tryAll(ctx, due, tip.Height); ctx.Err() != nil {
		return false
	}
	for i := range due {
		r.done[due[i].Row] = true
		r.refused = r.refused || !due[i].Accepted
	}
	if err := r.ledger.NoteTries(ctx, tip, due); err != nil {
		r.err = err
	} else if first {
		r.after[s] = 0 // what comes meanwhile may have a lower row
	}
	return true
}

// tryAll tries penalties, the first ones first. Those with one id are tried one
// after the other, since the answer to one may be the answer to all.
func (r *round) tryAll(ctx context.Context, due []Tracker, tip uint32) {
	var ids []chainhash.Hash
	twins := make(map[chainhash.Hash][]*Tracker, len(due))
	for i := range due {
		id := due[i].Penalty.ID
		if twins[id] == nil {
			ids = append(ids, id)
		}
		twins[id] = append(twins[id], &due[i])
	}
	r.inLanes(ctx, len(ids), func(i int) {
		for _, t := range twins[ids[i]] {
			if r.try(ctx, t, tip); ctx.Err() != nil {
				return
			}
		}
	})
}

// try publishes a penalty, unless it turns out to be doubtful just now: it is
// put back then, behind those that are not.
func (r *round) try(ctx context.Context, t *Tracker, tip uint32) {
	if !t.Doubtful && t.Spent != nil && !t.Accepted && t.Penalty.Raw != nil {
		if err := Verify(t.Penalty, t.Spent); err != nil {
			t.Doubtful, t.Reason = true, reason(err)
			return
		}
	}
	whole := chainhash.HashH(t.Penalty.Raw)
	known, err := r.answer(t.Penalty.ID, whole)
	if !known {
		if err = r.publish(ctx, t); ctx.Err() != nil {
			return // the backend has said nothing
		}
		r.onTry(err)
		r.keep(t.Penalty.ID, whole, err)
	}
	r.note(t, tip, err)
}

// answer returns what the backend has said of a penalty already.
func (r *round) answer(id, whole chainhash.Hash) (known bool, answer error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.answers[id]; taken {
		return true, nil
	}
	answer, known = r.answers[whole]
	return known, answer
}

func (r *round) keep(id, whole chainhash.Hash, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		whole = id
	}
	r.answers[whole] = err
}
