package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/bitcoind"
)

// TestAnotherNetworkIsAnOptionAway: what to change is named as it is typed, with
// the option's own values.
func TestAnotherNetworkIsAnOptionAway(t *testing.T) {
	own := &bitcoind.Config{}
	for _, c := range []struct {
		s            settings
		network      string
		want, unwant string
	}{
		{settings{network: "main"}, "regtest", "it is on regtest and the tower on bitcoin: give the tower --network regtest, or a node on bitcoin (--bitcoind)", "vigil-"},
		{settings{network: "test"}, "main", "it is on bitcoin and the tower on testnet: give the tower --network bitcoin,", "main"},
		{settings{network: "main", prefix: prefix, node: own}, "signet", "it is on signet and the tower on bitcoin, as this node: name a bitcoind on bitcoin (vigil-bitcoind)", "--"},
		{settings{network: "main", prefix: prefix}, "signet", "it is on signet and the tower on bitcoin, as this node: lightningd's own backend", "bitcoind)"},
		{settings{network: "main"}, strings.Repeat("\x1b", 100), `it is on "\x1b`, "--network"},
	} {
		got := c.s.otherNetwork(c.network)
		if !strings.HasPrefix(got, c.want) || strings.Contains(got, c.unwant) || len(got) > 200 {
			t.Errorf("%q: %s", c.network, got)
		}
	}
}

// TestATowerOfAnotherNetworkIsNotBegun: it would leave a key and a store that are
// in nobody's use.
func TestATowerOfAnotherNetworkIsNotBegun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vigil")
	_, err := shell(t, "tower", "--data-dir", dir, "--bitcoind", chainOf(t, "regtest", 250), "--api-bind", "127.0.0.1:0", "--admin-bind", "off")
	if err == nil || !strings.Contains(err.Error(), "--network regtest") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it left a directory")
	}
}

// TestABeginningWaitsForNoBackend: one that is down may start later; and a tower that
// is there already is not turned away, since its backend may be mended meanwhile.
func TestABeginningWaitsForNoBackend(t *testing.T) {
	down := httptest.NewServer(nil)
	url := strings.Replace(down.URL, "://", "://u:p@", 1)
	down.Close()
	for url, dir := range map[string]string{
		url:                        filepath.Join(t.TempDir(), "vigil"),
		chainOf(t, "main", 250):    filepath.Join(t.TempDir(), "vigil"),
		chainOf(t, "regtest", 250): dirWith(t, markFile, "x"),
	} {
		node, err := bitcoind.New(bitcoind.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer node.Close()
		if err := begins(t.Context(), settings{network: "main", dataDir: dir}, node); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
