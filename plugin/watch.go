package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/watchroom"
	"vigil/towerapi"
)

// watch is how a tower is looked after: what its parts count, and where that is
// served. It outlives the tower, which in a node may be started again.
type watch struct {
	*watchroom.Server
	metrics *watchroom.Metrics
	bind    string
	option  string // by which that is chosen
	away    *turnedAway
}

func newWatch(c settings, log *slog.Logger) *watch {
	s := c.admin
	m := watchroom.NewMetrics(version)
	return &watch{metrics: m, bind: s.bind, option: c.named("admin-bind"), away: newTurnedAway(c, log), Server: watchroom.New(watchroom.Config{Bind: s.bind, Hosts: s.hosts, Log: log}, m)}
}

// run serves until ctx ends. Nothing that happens to it may end the tower.
func (w *watch) run(ctx context.Context, log *slog.Logger) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("a defect of ours: the admin address is not served any more", "panic", r)
		}
	}()
	w.Run(ctx)
}

// source counts the calls of a backend.
func (w *watch) source(name string, s chain.Source) chain.Source { return w.metrics.Source(name, s) }

// served counts what the HTTP API answered.
func (w *watch) served(r towerapi.Served) {
	if errors.Is(r.Err, towerapi.ErrThrottled) {
		w.metrics.Throttled(watchroom.HTTP, r.Method, r.Took)
		return
	}
	w.metrics.Request(watchroom.HTTP, r.Method, r.Err, r.Took)
	w.away.served(r, time.Now())
}

// asked counts what the shell asked for.
func (w *watch) asked(method string, err error, took time.Duration) {
	w.metrics.Request(watchroom.Socket, method, err, took)
}

// warnings says why nobody can look after the tower, where that is so.
func (w *watch) warnings() []tower.Warning {
	trouble := w.Trouble()
	if trouble == "" {
		return nil
	}
	return []tower.Warning{{Kind: tower.WarnAdmin, Text: fmt.Sprintf("the status page and the metrics are not served, the tower works all the same: "+
		"free %s or choose another address (%s); it says: %s", w.bind, w.option, cut(trouble))}}
}
