package responder

import (
	"context"

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
	p.waiting[whole] = Tracker{Penalty: a.Penalty, Spent: spentOutputs(a.Dispute, a.Penalty)}
	p.size += len(a.Penalty.Raw)
	p.Wake()
}

// takeUnrecorded returns the penalties that wait, those whose scripts are right
// first.
func (p *Publisher) takeUnrecorded() (penalties []chain.Tx) {
	p.mu.Lock()
	waiting := p.waiting
	p.waiting, p.size = map[txid]Tracker{}, 0
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
