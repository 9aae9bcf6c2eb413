package main

import (
	"context"
	"time"

	"vigil/internal/tower"
)

// lookEvery is how often a tower that has started is asked whether it guards yet.
const lookEvery = time.Second

// tellOnceGuarding logs when the tower guards for the first time since its start,
// and returns then or when ctx ends: that it runs does not mean that it sees blocks.
func (c *core) tellOnceGuarding(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if height, guards := c.guards(ctx); guards {
			c.daemon.log.Info("the tower guards", "height", height)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// guards tells whether it does, as Info would.
func (c *core) guards(ctx context.Context) (height uint32, yes bool) {
	tip, _, err := c.Tip(ctx)
	if err != nil {
		return 0, false
	}
	status := c.follower.Status()
	i := tower.Info{Height: tip.Height, SourceHeight: status.Height, StoreError: c.StoreTrouble()}
	if status.Err != nil {
		i.SourceError = status.Err.Error()
	}
	return tip.Height, status.Height > 0 && notGuarding(i) == ""
}
