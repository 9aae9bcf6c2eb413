package tower

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrOtherTower says that a store belongs to another key or network: what is
// in it was promised by someone else.
var ErrOtherTower = errors.New("this store belongs to another tower")

// Claim makes the store this tower's, on a network, or fails with
// ErrOtherTower. It must succeed before anything else is asked of the Tower.
func (t *Tower) Claim(ctx context.Context, network string) error {
	return t.store.Update(ctx, func(tx Tx) error {
		for name, value := range map[string]string{"tower_id": t.ID().String(), "network": network} {
			if err := claim(tx, name, value); err != nil {
				return err
			}
		}
		since, err := tx.Identity(sinceKey)
		if err != nil || since != "" {
			return err
		}
		return tx.SetIdentity(sinceKey, time.Now().UTC().Format(time.RFC3339))
	})
}

// shown names a network as lightningd's users know it. Stores hold bitcoind's
// names.
func shown(value string) string {
	switch value {
	case "main":
		return "bitcoin"
	case "test":
		return "testnet"
	}
	return value
}

func claim(tx Tx, name, value string) error {
	stored, err := tx.Identity(name)
	if err != nil {
		return err
	}
	if stored != "" && stored != value {
		return fmt.Errorf("%w: its %s is %s, ours is %s", ErrOtherTower, name, shown(stored), shown(value))
	}
	if stored == value {
		return nil
	}
	return tx.SetIdentity(name, value)
}
