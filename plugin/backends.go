package main

import (
	"context"
	"errors"
	"fmt"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

// The backends by the names that the operator reads.
const (
	bitcoindName   = "bitcoind"
	lightningdName = "lightningd"
)

// backends names what blocks come from and penalties go to, the first one first.
func (d *daemon) backends() []string {
	var list []string
	if d.settings.node != nil || !d.inNode {
		list = append(list, bitcoindName)
	}
	if d.inNode {
		list = append(list, lightningdName)
	}
	return list
}

// failing tells which of two backends do not work.
func (d *daemon) failing() (list []tower.FailingBackend) {
	if d.pair == nil {
		return nil
	}
	for _, f := range d.pair.Failing() {
		list = append(list, tower.FailingBackend{Name: f.Name, Since: f.Since, Never: f.Never, Error: cut(f.Err.Error())})
	}
	return list
}

// backendWarnings tells that one of two backends is left. Where none is, the chain
// can't be followed, and that is told already.
func (s settings) backendWarnings(i tower.Info) []tower.Warning {
	if len(i.Failing) != 1 || len(i.Backends) != 2 || i.SourceError != "" {
		return nil
	}
	f, left := i.Failing[0], i.Backends[0]
	if left == f.Name {
		left = i.Backends[1]
	}
	how := "has failed since"
	if f.Never {
		how = "has not worked since the tower's start at"
	}
	return []tower.Warning{{Kind: tower.WarnChain, Text: fmt.Sprintf(
		"%s, one of two Bitcoin backends, %s %s, so that the tower guards by %s alone: %s; it says: %s",
		f.Name, how, f.Since.UTC().Format("2006-01-02 15:04:05 UTC"), left, s.mendBackend(f.Name), f.Error)}}
}

// mendBackend says what to do about a backend that does not work.
func (s settings) mendBackend(name string) string {
	if name == lightningdName {
		return "see in lightningd's log what its own Bitcoin backend (bcli) says"
	}
	return fmt.Sprintf("see that it runs, and that its address and credentials are right (%s, %s)",
		s.named("bitcoind"), s.named("bitcoind-cookie"))
}

// askBackends asks each backend now. One of two that does not work is a failure,
// though the tower guards by the other: it is there for the day on which that fails.
func (d *daemon) askBackends(ctx context.Context) (tip chain.Tip, err error) {
	if d.pair == nil {
		tip, err = d.source.Tip(ctx)
		return tip, d.unlessForeign(tip, err)
	}
	var errs []error
	var works string
	for _, a := range d.pair.Answers(ctx) {
		if a.Err = d.unlessForeign(a.Tip, a.Err); a.Err != nil {
			errs = append(errs, fmt.Errorf("%s fails: %w", a.Name, a.Err))
			continue
		}
		works, tip.Height = a.Name, max(tip.Height, a.Tip.Height)
	}
	if len(errs) == 1 {
		return tip, fmt.Errorf("only %s answers, and the tower guards by that alone; %w", works, errs[0])
	}
	return tip, errors.Join(errs...)
}

// unlessForeign is nil where a backend answered that is on the tower's network.
func (d *daemon) unlessForeign(tip chain.Tip, err error) error {
	if err == nil && tip.Network != d.settings.network {
		err = fmt.Errorf("the backend is on %q", tip.Network)
	}
	return err
}
