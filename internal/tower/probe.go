package tower

import (
	"context"
	"errors"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/watcher"
)

// A probe is a user of the tower's own, by whom it tests itself: nobody's limits
// hold for it, and nothing of it stays.

// probeKey is where the probe's user id is noted, for a start after a crash to
// remove what is left.
const probeKey = "probe"

// Limits of a probe: it is over by itself, too.
const (
	probeSlots  = 1
	probeBlocks = 6
)

// BeginProbe makes a user, in place of a probe that was left behind.
func (t *Tower) BeginProbe(ctx context.Context, id teos.UserID) (Registration, error) {
	var u gatekeeper.User
	err := t.update(ctx, func(tx Tx, height uint32) error {
		if err := endProbe(tx); err != nil {
			return err
		}
		if err := tx.SetIdentity(probeKey, id.String()); err != nil {
			return err
		}
		u = gatekeeper.User{ID: id, Dialect: teos.V2, Slots: probeSlots, Start: height, Expiry: height + probeBlocks}
		return tx.PutUser(u)
	})
	receipt := teos.RegistrationReceipt{User: u.ID, Slots: u.Slots, Start: u.Start, Expiry: u.Expiry}
	return Registration{receipt, teos.Sign(t.key, receipt.Message(u.Dialect))}, err
}

// EndProbe removes what there is of a probe; nothing may be.
func (t *Tower) EndProbe(ctx context.Context) error {
	return t.wrote(t.store.Update(ctx, endProbe))
}

func endProbe(tx Tx) error {
	noted, err := tx.Identity(probeKey)
	if err != nil || noted == "" {
		return err
	}
	id, err := teos.ParseUserID(noted)
	if err != nil {
		return err
	}
	u, err := tx.User(id)
	if errors.Is(err, gatekeeper.ErrNoUser) {
		return tx.SetIdentity(probeKey, "")
	}
	if err != nil {
		return err
	}
	if err := dropProbe(tx, u); err != nil {
		return err
	}
	return tx.SetIdentity(probeKey, "")
}

func dropProbe(tx Tx, u gatekeeper.User) error {
	load, err := tx.DropWatched(u.Row, MaxListed)
	if err != nil {
		return err
	}
	if err := tx.Refund(u.Row, load); err != nil {
		return err
	}
	return tx.DropUser(u.Row)
}

// Rehearse looks for the appointments that a transaction triggers as if it were in
// a block, and changes nothing.
func (t *Tower) Rehearse(ctx context.Context, dispute chain.Tx) (found []watcher.Match, err error) {
	err = t.met(t.store.View(ctx, func(tx Tx) error {
		found = nil
		return watcher.Scan(tx, &chain.Block{Txs: []chain.Tx{dispute}}, func(m watcher.Match) error {
			found = append(found, m)
			return nil
		})
	}))
	return found, err
}
