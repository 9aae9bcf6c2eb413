package main

import (
	"context"
	"sync/atomic"
	"time"

	"vigil/internal/operator"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/towerapi"
)

// core is the tower with what only the whole program knows of its state.
type core struct {
	*tower.Tower
	follower *chain.Follower
	daemon   *daemon
	api      atomic.Pointer[towerapi.Server]
	started  time.Time
}

// Ask answers the operator.
func (c *core) Ask(ctx context.Context, method string, params []byte) ([]byte, error) {
	desk := operator.Desk{Tower: c.Tower, Info: c.Info, Backup: c.Backup, Storage: c.Storage}
	return desk.Ask(ctx, method, params)
}
