package main

import (
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"vigil/internal/operator"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/towerapi"
)

func TestPublicAddresses(t *testing.T) {
	for text, want := range map[string]operator.Address{
		"tower.example:9814":           {Address: "tower.example:9814", Kind: "http"},
		"http://Tower.example:9814/":   {Address: "tower.example:9814", Kind: "http"},
		"https://tower.example:443":    {Address: "tower.example:443", Kind: "https"},
		"203.0.113.7:80":               {Address: "203.0.113.7:80", Kind: "http"},
		"[2001:db8::1]:9814":           {Address: "[2001:db8::1]:9814", Kind: "http"},
		"abcdefghijklmnop.onion:9814":  {Address: "abcdefghijklmnop.onion:9814", Kind: "onion"},
		"localhost:1":                  {Address: "localhost:1", Kind: "http"},
		"tower.example":                {},
		"tower.example:0":              {},
		"tower.example:65536":          {},
		"tower.example:http":           {},
		"2001:db8::1:9814":             {},
		"0.0.0.0:9814":                 {},
		"[::]:9814":                    {},
		":9814":                        {},
		"tower example:9814":           {},
		"user@tower.example:9814":      {},
		"tower.example/path:9814":      {},
		"-tower.example:9814":          {},
		"tower..example:9814":          {},
		"ftp://tower.example:9814":     {},
		strings.Repeat("a", 64) + ":1": {},
	} {
		got, why := publicAddress(text)
		if good := want.Address != ""; good != (why == "") || good && got != want {
			t.Errorf("%q: %+v, %s", text, got, why)
		}
	}
}

func TestOptionsOfReachAreChecked(t *testing.T) {
	files := raw{"tls-bind": "0.0.0.0:443", "tls-cert": "c", "tls-key": "k"}
	names := raw{"tls-bind": ":443", "tls-acme": "Tower.example, b.example"}
	tor := raw{"tor-control": "127.0.0.1:9051", "tor-target": "10.0.0.2:9814"}
	for name, c := range map[string]struct {
		base    raw
		changes raw
		wrong   string // the option that the error names
	}{
		"files":           {files, nil, ""},
		"names":           {names, nil, ""},
		"directory":       {names, raw{"tls-acme-directory": "https://ca.example/dir"}, ""},
		"tor":             {tor, nil, ""},
		"tor's socket":    {tor, raw{"tor-control": "unix:/run/tor/control"}, ""},
		"both":            {files, raw{"tls-acme": "tower.example"}, "tls-acme"},
		"no key":          {files, raw{"tls-key": ""}, "tls-cert"},
		"no certificate":  {raw{"tls-bind": ":443"}, nil, "tls-bind"},
		"no bind":         {files, raw{"tls-bind": ""}, "tls-bind"},
		"bad bind":        {files, raw{"tls-bind": "443"}, "tls-bind"},
		"an address":      {names, raw{"tls-acme": "203.0.113.7"}, "tls-acme"},
		"one label":       {names, raw{"tls-acme": "tower"}, "tls-acme"},
		"a wildcard":      {names, raw{"tls-acme": "*.tower.example"}, "tls-acme"},
		"plain directory": {names, raw{"tls-acme-directory": "http://ca.example/dir"}, "tls-acme-directory"},
		"no tor":          {tor, raw{"tor-control": ""}, "tor-target"},
		"bad control":     {tor, raw{"tor-control": "9051"}, "tor-control"},
		"bad target":      {tor, raw{"tor-target": "a b:1"}, "tor-target"},
		"a line's end":    {tor, raw{"tor-target": "a\r\nQUIT:1"}, "tor-target"},
		"public":          {raw{"public-address": "a.example:1, b.example"}, nil, "public-address"},
	} {
		options := with(c.base)
		for name, value := range c.changes {
			options[name] = value
		}
		_, err := resolve(options, "--")
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.HasPrefix(err.Error(), "--"+c.wrong+": ")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// reachOf is what some options make of it, with no server behind it.
func reachOf(t *testing.T, options raw) *reach {
	t.Helper()
	s, err := resolve(with(options), "--")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return newReach(s, func(name string) string { return filepath.Join(dir, name) },
		func() *towerapi.Server { return nil }, slog.New(slog.DiscardHandler))
}

func TestTheLinesThatFriendsType(t *testing.T) {
	var id teos.UserID
	r := reachOf(t, raw{"public-address": "tower.example:9814,[2001:db8::1]:9814,https://tower.example:443,Tower.example:9814"})
	want := []operator.Address{
		{Address: "tower.example:9814", Kind: "http", Register: "lightning-cli registertower " + id.String() + "@tower.example:9814"},
		{Address: "[2001:db8::1]:9814", Kind: "http", Register: "lightning-cli registertower " + id.String() + ` '"[2001:db8::1]"' 9814`},
		{Address: "tower.example:443", Kind: "https", Note: notForClients},
	}
	if got := r.addresses(id); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if list := r.warnings(); len(list) > 0 {
		t.Errorf("warnings are %q", list)
	}
}

func TestListenersSayWhoReachesThem(t *testing.T) {
	for addr, want := range map[string]operator.Address{
		"127.0.0.1:1":   {Address: "127.0.0.1:1", Kind: "http", Note: "for this machine only"},
		"0.0.0.0:1":     {Address: "HOST:1", Kind: "http", Note: "HOST stands for this machine's public name or address: set public-address"},
		"[::]:1":        {Address: "HOST:1", Kind: "http", Note: "HOST stands for this machine's public name or address: set public-address"},
		"203.0.113.7:1": {Address: "203.0.113.7:1", Kind: "http"},
	} {
		if got := reachOf(t, nil).listeningAt(addr, overHTTP); got != want {
			t.Errorf("%s: %+v", addr, got)
		}
	}
}

// TestAProxyIsAWayIn: whoever names one is not told that nobody gets here.
func TestAProxyIsAWayIn(t *testing.T) {
	for proxies, want := range map[string]bool{"": true, "127.0.0.1": false} {
		a := reachOf(t, raw{"api-trusted-proxies": proxies}).listeningAt("127.0.0.1:1", overHTTP)
		if onlyHere := a.Note == operator.OnlyHere; onlyHere != want || a.Note == "" {
			t.Errorf("proxies %q: %+v", proxies, a)
		}
	}
}

func TestWhereTorReachesTheAPI(t *testing.T) {
	for bind, want := range map[string]string{
		"127.0.0.1:9814": "127.0.0.1:9814", "0.0.0.0:9814": "127.0.0.1:9814", ":9814": "127.0.0.1:9814",
		"[::]:9814": "[::1]:9814", "10.0.0.1:9814": "10.0.0.1:9814", "127.0.0.1:0": "",
	} {
		if got := reachOf(t, raw{"api-bind": bind, "tor-control": "127.0.0.1:9051"}).target(); got != want {
			t.Errorf("%s: %s", bind, got)
		}
	}
	r := reachOf(t, raw{"tor-control": "10.0.0.1:9051"})
	if list := r.warnings(); len(list) != 2 || !strings.Contains(list[1].Text, "tor-target") {
		t.Errorf("warnings are %q", list)
	}
	if got := reachOf(t, raw{"tor-control": "10.0.0.1:9051", "tor-target": "10.0.0.2:1"}); got.target() != "10.0.0.2:1" || got.torElsewhere() {
		t.Errorf("target is %s", got.target())
	}
}

func TestCertificatesThatCantBeReadAreAWarning(t *testing.T) {
	r := reachOf(t, raw{"tls-bind": "127.0.0.1:0", "tls-cert": "/nonexistent/c.pem", "tls-key": "/nonexistent/k.pem"})
	if list := r.warnings(); len(list) != 1 || list[0].Kind != tower.WarnCertificate || !strings.Contains(list[0].Text, "no such file") {
		t.Errorf("warnings are %q", list)
	}
	if r.tls() == nil || reachOf(t, nil).tls() != nil {
		t.Error("TLS is served where it is not configured, or the reverse")
	}
}

func TestNetworksAreShownAsLightningdNamesThem(t *testing.T) {
	for given, want := range map[string]string{
		"bitcoin": "bitcoin", "main": "bitcoin", "mainnet": "bitcoin", "testnet": "testnet", "test": "testnet",
		"testnet4": "testnet4", "signet": "signet", "regtest": "regtest",
	} {
		s, err := resolve(with(raw{"network": given}), "--")
		if err != nil || directoryOf(s.network) != want {
			t.Errorf("%s is shown as %s, %v", given, directoryOf(s.network), err)
		}
	}
}
