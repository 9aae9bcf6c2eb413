package responder

import (
	"context"

	"vigil/internal/tower/chain"
)

// Answer is a dispute and the penalty that answers it.
type Answer struct{ Dispute, Penalty chain.Tx }

// maxUnrecorded is how many answers wait to be published unrecorded.
const maxUnrecorded = 20_000

// Unrecorded takes answers to breaches that can't be recorded, because the
// store fails. They are published once and forgotten: the block that they were
// found in is not processed, so it is met again, and with it they are. It never
// blocks.
func (p *Publisher) Unrecorded(answers []Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range answers {
		if len(p.waiting) == maxUnrecorded {
			break
		}
		// Not the dispute: with it, a whole block would stay in memory.
		spent := spentOutputs(a.Dispute, a.Penalty)
		p.waiting[a.Penalty.ID] = Tracker{Penalty: a.Penalty, Spent: spent}
	}
	p.Wake()
}

// takeUnrecorded returns the penalties that wait, those whose scripts are right
// first.
func (p *Publisher) takeUnrecorded() (penalties []chain.Tx) {
	p.mu.Lock()
	waiting := p.waiting
	p.waiting = map[txid]Tracker{}
	p.mu.Unlock()
	var doubtful []chain.Tx
	for _, a := range waiting {
		if Verify(a.Penalty, a.Spent) != nil {
			doubtful = append(doubtful, a.Penalty)
		} else {
			penalties = append(penalties, a.Penalty)
		}
	}
	return append(penalties, doubtful...)
}

func (r *round) unrecorded(ctx context.Context) {
	for _, tx := range r.takeUnrecorded() {
		err := r.send(ctx, tx.Raw)
		if ctx.Err() != nil {
			return
		}
		r.log.Error("the store fails, so a breach can't be recorded; its penalty is published all the same",
			"penalty", tx.ID, "refused", reason(err))
	}
}
