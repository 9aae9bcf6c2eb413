package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vigil/internal/bitcoind"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// inNodeWithTwo is a daemon in a node, over two backends.
func inNodeWithTwo(direct, own chain.Source) *daemon {
	d := &daemon{inNode: true, settings: settings{prefix: "vigil-", network: "regtest", node: &bitcoind.Config{}}}
	d.pair = chain.NewPair(chain.Backend{Name: bitcoindName, Source: direct}, chain.Backend{Name: lightningdName, Source: own},
		slog.New(slog.DiscardHandler))
	d.source = d.pair
	return d
}

func failingChain() *chaintest.Chain {
	c := chaintest.New()
	c.Fail(chaintest.TipCall, chaintest.Forever, errors.New("not authorised"))
	return c
}

// infoOf is what its operator is told of backends.
func (d *daemon) infoOf() tower.Info { return tower.Info{Backends: d.backends(), Failing: d.failing()} }

func TestTheOperatorIsToldOfABackendThatDoesNotWork(t *testing.T) {
	for _, c := range []struct {
		direct, own chain.Source
		want        []string // of the warning
		fails       string   // of the self-test
	}{
		{chaintest.New(), chaintest.New(), nil, ""},
		{failingChain(), chaintest.New(), []string{"bitcoind, one of two", "by lightningd alone", "vigil-bitcoind-cookie", "not authorised"},
			"only lightningd answers, and the tower guards by that alone; bitcoind fails: not authorised"},
		{chaintest.New(), failingChain(), []string{"lightningd, one of two", "by bitcoind alone", "bcli", "not authorised"},
			"only bitcoind answers, and the tower guards by that alone; lightningd fails: not authorised"},
		{failingChain(), failingChain(), nil, "bitcoind fails: not authorised\nlightningd fails: not authorised"},
	} {
		d := inNodeWithTwo(c.direct, c.own)
		_, err := d.askBackends(t.Context())
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || err.Error() != c.fails) {
			t.Errorf("the self-test says %v, want %s", err, c.fails)
		}
		list := d.settings.backendWarnings(d.infoOf())
		if len(list) != min(len(c.want), 1) {
			t.Errorf("warnings are %v, want %v", list, c.want)
			continue
		}
		for _, part := range c.want {
			if list[0].Kind != tower.WarnChain || !strings.Contains(list[0].Text, part) {
				t.Errorf("%+v does not say %q", list[0], part)
			}
		}
	}
}

// Where the chain can't be followed nobody guards, by either.
func TestNoBackendIsSaidToGuardWhereNoneDoes(t *testing.T) {
	d := inNodeWithTwo(failingChain(), chaintest.New())
	if _, err := d.pair.Tip(t.Context()); err != nil {
		t.Fatal(err)
	}
	info := d.infoOf()
	info.SourceError = "the chain source is on another network"
	if list := d.settings.backendWarnings(info); len(list) != 0 || len(info.Failing) != 1 || time.Since(info.Failing[0].Since) > time.Hour {
		t.Errorf("%v, %v", list, info.Failing)
	}
}

func TestABackendOnAnotherNetworkFailsTheSelfTest(t *testing.T) {
	foreign := chaintest.New()
	foreign.SetNetwork("signet")
	_, err := inNodeWithTwo(foreign, chaintest.New()).askBackends(t.Context())
	if err == nil || !strings.Contains(err.Error(), `bitcoind fails: the backend is on "signet"`) {
		t.Errorf("the self-test says %v", err)
	}
}
