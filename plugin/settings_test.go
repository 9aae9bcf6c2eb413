package main

import (
	"strings"
	"testing"

	"vigil/internal/teos"
)

func with(changes raw) raw {
	r := defaults()
	for name, value := range changes {
		r[name] = value
	}
	return r
}

func TestNothingHasToBeConfigured(t *testing.T) {
	s, err := resolve(defaults(), "--")
	if err != nil {
		t.Fatal(err)
	}
	if s.network != "main" || s.api.bind != "127.0.0.1:9814" || s.api.codes != teos.V2 || s.node != nil {
		t.Errorf("settings are %+v", s)
	}
	if s.terms.Slots != 10000 || s.terms.Duration != 4320 || s.terms.Grace != 6 || s.terms.RecentBlocks != 144 {
		t.Errorf("terms are %+v", s.terms)
	}
	if s.limits.MinToSelfDelay != 20 || s.limits.MaxBlobSize != 65536 {
		t.Errorf("limits are %+v", s.limits)
	}
}

func TestOptionsAreCheckedAtTheirEdges(t *testing.T) {
	for name, c := range map[string]struct{ good, bad []string }{
		"network":               {[]string{"bitcoin", "main", "testnet", "test", "testnet4", "signet", "regtest"}, []string{"", "litecoin"}},
		"api-bind":              {[]string{"0.0.0.0:0", "[::1]:9814", ":65535", "localhost:80"}, []string{"", "127.0.0.1", "h:65536", "h:http2"}},
		"api-trusted-proxies":   {[]string{"", "10.0.0.0/8", "::1, 127.0.0.1"}, []string{"proxy", "10.0.0.0/33"}},
		"bitcoind":              {[]string{"", "http://u:p@127.0.0.1:18443"}, []string{"127.0.0.1:18443", "ftp://x"}},
		"bitcoind-zmq":          {[]string{"", "tcp://127.0.0.1:28332", "tcp://node.lan:1", "tcp://:28332", "unix:///run/bitcoind.zmq"}, []string{"foo", "127.0.0.1:28332", "tcp://127.0.0.1", "tcp://*:28332", "tcp://h:0", "tcp://h:65536", "tcp://h:zmq", "tcp://[::1]:28332", "tcp://h:1/x", "tcp://a b:1", "unix://", "unix:///a:b", "ipc:///run/bitcoind.zmq", "http://h:1"}},
		"subscription-slots":    {[]string{"1", "4294967295"}, []string{"0", "-1", "4294967296", "1e3", ""}},
		"subscription-duration": {[]string{"1", "4294967295"}, []string{"0", "4294967296"}},
		"expiry-grace":          {[]string{"0", "4294967295"}, []string{"-1", "4294967296"}},
		"min-to-self-delay":     {[]string{"0", "42"}, []string{"-1", "x", "43"}},
		"recent-blocks":         {[]string{"0", "2016"}, []string{"2017", "-1"}},
		"max-blob-size":         {[]string{"81", "1048576"}, []string{"80", "1048577"}},
		"access":                {[]string{"", "open", "invited"}, []string{"closed", "Open"}},
		"max-users":             {[]string{"0", "4294967295"}, []string{"-1", "4294967296"}},
		"max-user-slots":        {[]string{"0", "4294967295"}, []string{"-1", "4294967296"}},
		"max-subscription":      {[]string{"0", "4294967295"}, []string{"-1", "4294967296"}},
		"max-storage":           {[]string{"0", "1073741824"}, []string{"-1", "1073741825", "1G"}},
		"max-user-storage":      {[]string{"0", "1073741824"}, []string{"-1", "1073741825"}},
		"disk-reserve":          {[]string{"0", "64", "1048576"}, []string{"-1", "1048577", "64M"}},
		"codes":                 {[]string{"v1", "v2"}, []string{"", "V2", "v3"}},
		"log-level":             {[]string{"debug", "info", "warn", "error"}, []string{"loud"}},
	} {
		for _, value := range c.good {
			if _, err := resolve(with(raw{name: value}), "--"); err != nil {
				t.Errorf("%s=%q is refused: %v", name, value, err)
			}
		}
		for _, value := range c.bad {
			_, err := resolve(with(raw{name: value}), "vigil-")
			if err == nil || !strings.HasPrefix(err.Error(), "vigil-"+name+": ") {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
}

// A tower that others can reach is open to strangers only if its operator says so.
func TestWhoMayRegisterWhereNothingIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		set  raw
		want bool
	}{
		"this machine":      {raw{}, false},
		"by name":           {raw{"api-bind": "localhost:9814"}, false},
		"IPv6 loopback":     {raw{"api-bind": "[::1]:9814"}, false},
		"the network":       {raw{"api-bind": "0.0.0.0:9814"}, true},
		"all addresses":     {raw{"api-bind": ":9814"}, true},
		"a public name":     {raw{"public-address": "tower.example:9814"}, true},
		"an onion":          {raw{"tor-control": "127.0.0.1:9051"}, true},
		"a reverse proxy":   {raw{"api-trusted-proxies": "127.0.0.1"}, true},
		"opened":            {raw{"api-bind": "0.0.0.0:9814", "access": "open"}, false},
		"closed on purpose": {raw{"access": "invited"}, true},
	} {
		s, err := resolve(with(c.set), "--")
		if err != nil || s.terms.Invited != c.want {
			t.Errorf("%s: invited %v, %v", name, s.terms.Invited, err)
		}
	}
}

func TestEveryWrongOptionIsNamed(t *testing.T) {
	_, err := resolve(with(raw{"codes": "x", "recent-blocks": "x"}), "--")
	if err == nil || !strings.Contains(err.Error(), "--codes") || !strings.Contains(err.Error(), "--recent-blocks") {
		t.Errorf("got %v", err)
	}
}

// A password in --bitcoind must not come back in an error that is logged.
func TestNoPasswordIsShown(t *testing.T) {
	_, err := resolve(with(raw{"bitcoind": "http://user:sesame@host:notaport"}), "--")
	if err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("got %v", err)
	}
}

// Names that lightningd or the watchtower-client plugin use would keep a node
// from starting with both.
func TestOptionNamesCollideWithNoOthers(t *testing.T) {
	for _, o := range nodeOptions() {
		if !strings.HasPrefix(o.Name, "vigil-") {
			t.Errorf("option %s has no prefix", o.Name)
		}
	}
	own := map[string]bool{
		"register": true, "add_appointment": true, "get_appointment": true, "get_subscription_info": true,
		"delete_appointment": true,
	}
	for _, m := range newNode().plugin.Methods {
		if !own[m.Name] && !strings.HasPrefix(m.Name, "vigil-") {
			t.Errorf("method %s has no prefix", m.Name)
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var out strings.Builder
	if err := towerCommand(t.Context(), []string{"--help"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, o := range offered(standalone) {
		if !strings.Contains(out.String(), "--"+o.name) {
			t.Errorf("--%s is not in the help", o.name)
		}
	}
}

func TestUnknownCommandsAndFlagsSayWhatToDo(t *testing.T) {
	for _, args := range [][]string{{"towr"}, {"tower", "--nope"}, {"tower", "stray"}, {"info", "--codes", "v1"}} {
		err := command(t.Context(), args, &strings.Builder{})
		if err == nil || !strings.Contains(err.Error(), "help") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestOptionsAreNamedAsTheirUserWritesThem: in a node with vigil- before them.
func TestOptionsAreNamedAsTheirUserWritesThem(t *testing.T) {
	const text = "tls-cert /etc/tls-cert/c.pem: set tor-password, or vigil-api-bind (admin-bind); a tor-control's; public-address"
	const want = "vigil-tls-cert /etc/tls-cert/c.pem: set vigil-tor-password, or vigil-api-bind (vigil-admin-bind); a tor-control's; vigil-public-address"
	for prefix, want := range map[string]string{"--": text, "vigil-": want} {
		s, err := resolve(with(nil), prefix)
		if err != nil || s.inWords(text) != want {
			t.Errorf("%s: %q, %v", prefix, s.inWords(text), err)
		}
	}
}
