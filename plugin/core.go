package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

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
}

// behindAlarm is how many blocks the tower may lag before it warns: more than
// two in a row may come while one is being processed.
const behindAlarm = 3

// Ask answers the operator.
func (c *core) Ask(ctx context.Context, method string, params []byte) ([]byte, error) {
	desk := operator.Desk{Tower: c.Tower, Info: c.Info, Backup: c.Backup, Storage: c.Storage}
	return desk.Ask(ctx, method, params)
}

// Info completes what the tower knows of itself.
func (c *core) Info(ctx context.Context) (tower.Info, error) {
	info, err := c.Tower.Info(ctx)
	if err != nil {
		return info, err
	}
	info.Network, info.Version = c.daemon.settings.network, version
	status := c.follower.Status()
	info.SourceHeight = status.Height
	if status.Err != nil {
		info.SourceError = cut(status.Err.Error())
	}
	if api := c.api.Load(); api != nil && api.Addr() != "" {
		info.API = []string{api.Addr()}
	}
	info.StoreError = cut(info.StoreError)
	info.Warnings = warnings(info)
	return info, nil
}

// maxError is how much of an error the operator is shown, in bytes.
const maxError = 300

func cut(text string) string {
	if len(text) <= maxError {
		return text
	}
	return strings.ToValidUTF8(text[:maxError], "") + "…"
}

// warnings says in plain words what the operator should act on.
func warnings(i tower.Info) []string {
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if i.SourceError != "" {
		add("the chain can't be followed now, breaches are not seen: %s", i.SourceError)
	}
	if i.StoreError != "" {
		add("the store can't be written to, no appointment is accepted, and what breaches are answered is not recorded: make room on the disk or repair it; it says: %s", i.StoreError)
	}
	if behind := int64(i.SourceHeight) - int64(i.Height); behind >= behindAlarm {
		add("the tower is %d blocks behind the chain and catching up", behind)
	}
	if len(i.API) == 0 {
		add("the HTTP API does not listen: remote nodes can't reach the tower; the log says why")
	}
	for _, r := range i.Blind {
		add("blocks %d to %d were never seen: the backend had pruned them while the tower was away", r.From, r.To)
	}
	if n := i.Pending - i.Refused; n > 0 {
		add("%d breaches wait for their penalty to confirm; it is in the mempool or on its way there", n)
	}
	if i.Refused > 0 {
		add("%d penalties are refused by the Bitcoin backend, and tried again at every block; it says: %s", i.Refused, i.Refusal)
	}
	return list
}
