package tower

import (
	"context"
	"time"

	"vigil/internal/teos"
)

// Info is what the operator sees at a glance.
type Info struct {
	ID      teos.UserID
	Network string
	Version string
	Stats
	// Height is that of the last block that was processed whole.
	Height uint32
	// SourceHeight and SourceError are what the chain source last told.
	SourceHeight uint32
	SourceError  string
	// StoreError is why the store can't be written to now.
	StoreError string
	// Since is when this tower was started for the first time.
	Since time.Time
	// API holds the addresses on which the HTTP API listens now.
	API []string
	// Warnings is what the operator should act on.
	Warnings []string
}

const sinceKey = "since"

// Info returns what the store knows: the rest is filled in by who runs the
// tower.
func (t *Tower) Info(ctx context.Context) (Info, error) {
	info := Info{ID: t.ID(), StoreError: t.storeTrouble()}
	err := t.store.View(ctx, func(tx Tx) (err error) {
		if info.Stats, err = tx.Stats(); err != nil {
			return err
		}
		tip, _, err := tx.Tip()
		if err != nil {
			return err
		}
		info.Height = tip.Height
		since, err := tx.Identity(sinceKey)
		if err != nil {
			return err
		}
		info.Since, err = time.Parse(time.RFC3339, since)
		return err
	})
	return info, err
}
