package tower

import (
	"context"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// Glance implements chain.Tower: while the store can't be written to (a full
// disk, one that turned read-only), the breaches in new blocks are looked for
// and answered all the same, unrecorded. What was recorded before is published
// by its own rounds.
func (t *Tower) Glance(ctx context.Context, b *chain.Block) error {
	var matches []watcher.Match
	err := t.store.View(ctx, func(tx Tx) (err error) {
		matches, err = watcher.Scan(tx, b)
		return err
	})
	if err != nil {
		return err
	}
	var answers []responder.Answer
	for _, m := range matches {
		if m.Err == nil && !m.Appointment.Triggered {
			answers = append(answers, responder.Answer{Dispute: m.Dispute, Penalty: m.Penalty})
		}
	}
	if len(answers) > 0 {
		t.unrecorded(answers)
	}
	return nil
}
