package tower

import (
	"context"
	"errors"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// Glance implements chain.Tower: while the store can't be written to (a full
// disk, one that turned read-only), the breaches in new blocks are looked for
// and answered all the same, unrecorded. What was recorded before is published
// by its own rounds.
func (t *Tower) Glance(ctx context.Context, b *chain.Block) error {
	return t.met(t.store.View(ctx, func(tx Tx) error {
		return watcher.Scan(tx, b, func(m watcher.Match) error {
			if ctx.Err() == nil && errors.Is(m.Err, watcher.ErrUnreadable) {
				_ = t.met(m.Err)
				t.log.Error("the store is damaged: a breach is not answered", "height", b.Height, "err", m.Err)
			}
			if m.Err == nil && !m.Appointment.Triggered {
				t.unrecorded(responder.Answer{Dispute: m.Dispute, Penalty: m.Penalty})
			}
			return nil
		})
	}))
}
