package responder

import (
	"context"
	"errors"
)

// round is one pass over what is due.
type round struct {
	*Publisher
	scope Scope
	// after is the last row of each scope that was taken; done are the rows
	// that were published already, before their turn.
	after map[Scope]int64
	done  map[int64]bool

	refused bool
	err     error
}

// publishDue publishes all that is due and returns whether anything was
// refused. A try that can't be noted is repeated at worst: it must not keep
// what comes after it waiting, so the round goes on, and fails at its end.
func (p *Publisher) publishDue(ctx context.Context, s Scope) (refused bool, err error) {
	r := &round{Publisher: p, scope: s, after: map[Scope]int64{}, done: map[int64]bool{}}
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
// behind them. Refused ones come last, a single batch of those that were tried
// least: what strangers make the tower try in vain costs the node little.
func (r *round) step(ctx context.Context) (more bool) {
	if r.batch(ctx, Untried) {
		return true
	}
	if r.scope != Refused {
		return r.batch(ctx, r.scope)
	}
	if r.batch(ctx, AtBlock) {
		return true
	}
	r.batch(ctx, Refused)
	return false
}

func (r *round) batch(ctx context.Context, s Scope) (more bool) {
	due, tip, err := r.ledger.DuePenalties(ctx, s, r.after[s], batch)
	if err != nil || len(due) == 0 {
		r.err = errors.Join(r.err, err)
		return false
	}
	r.after[s] = due[len(due)-1].Row
	var tried []Tracker
	for _, t := range due {
		if s != Untried && r.done[t.Row] {
			continue
		}
		if r.publish(ctx, &t, tip.Height); ctx.Err() != nil {
			return false
		}
		if s == Untried || r.scope == Refused {
			r.done[t.Row] = true
		}
		r.refused = r.refused || !t.Accepted
		tried = append(tried, t)
	}
	if err := r.ledger.NoteTries(ctx, tip, tried); err != nil {
		r.err = err
	} else if s == Untried {
		r.after[s] = 0 // what comes meanwhile may have a lower row
	}
	return true
}
