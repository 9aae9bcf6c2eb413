package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/operator"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/towerrpc"
	"vigil/towerapi"
)

// core is the tower with what only the whole program knows of its state.
type core struct {
	*tower.Tower
	follower *chain.Follower
	daemon   *daemon
	api      atomic.Pointer[towerapi.Server]
	reach    atomic.Pointer[reach]
	inner    *towerrpc.Client
	started  time.Time
	testing  sync.Mutex // held by a self-test
}

// Ask answers the operator.
func (c *core) Ask(ctx context.Context, method string, params []byte) ([]byte, error) {
	desk := operator.Desk{Tower: c.Tower, Info: c.Info, Backup: c.Backup, Storage: c.Storage, Rehearsal: c.rehearsal()}
	if r := c.reach.Load(); r != nil {
		desk.Addresses = func() []operator.Address { return r.addresses(c.ID()) }
	}
	return desk.Ask(ctx, method, params)
}
