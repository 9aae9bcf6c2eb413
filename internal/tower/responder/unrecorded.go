package responder

import (
	"context"
	"maps"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/tower/chain"
)

// Answer is a dispute and the penalty that answers it.
type Answer struct{ Dispute, Penalty chain.Tx }

// maxUnrecorded is how many bytes of answers may wait to be published
// unrecorded: two hundred thousand penalties of Core Lightning.
const maxUnrecorded = 64 << 20

// Unrecorded takes the answer to a breach that can't be recorded, because the
// store fails. It is published once and forgotten: the block that the breach was
// found in is not processed, so it is met again, and with it the breach. It never
// blocks.
func (p *Publisher) Unrecorded(a Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	whole := chainhash.HashH(a.Penalty.Raw) // the id leaves the witness out
	if _, waits := p.waiting[whole]; waits || p.size+len(a.Penalty.Raw) > maxUnrecorded {
		return
	}
	// Not the dispute: with it, a whole block would stay in memory.
	p.waiting[whole] = Tracker{Penalty: a.Penalty, Spent: SpentOutputs(a.Dispute, a.Penalty)}
	p.size += len(a.Penalty.Raw)
	p.Wake()
}

// takeUnrecorded returns the penalties that wait.
func (p *Publisher) takeUnrecorded() (penalties []Tracker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	penalties = slices.Collect(maps.Values(p.waiting))
	p.waiting, p.size = map[txid]Tracker{}, 0
	return penalties
}

// unrecorded publishes what waits, those whose scripts are right first.
func (r *round) unrecorded(ctx context.Context) {
	penalties := r.takeUnrecorded()
	var doubtful []chain.Tx
	r.inLanes(ctx, len(penalties), func(i int) {
		if Verify(penalties[i].Penalty, penalties[i].Spent) == nil {
			r.sendUnrecorded(ctx, penalties[i].Penalty)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		doubtful = append(doubtful, penalties[i].Penalty)
	})
	r.inLanes(ctx, len(doubtful), func(i int) { r.sendUnrecorded(ctx, doubtful[i]) })
}

func (r *round) sendUnrecorded(ctx context.Context, tx chain.Tx) {
	err := r.send(ctx, tx.Raw)
	if ctx.Err() != nil {
		return
	}
	r.onTry(err)
	r.log.Error("the store fails, so a breach can't be recorded; its penalty is published all the same",
		"penalty", tx.ID, "refused", reason(err))
}
