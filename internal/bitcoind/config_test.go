package bitcoind

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewDefaults(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for cfg, want := range map[Config][2]string{
		{}:                                      {"http://127.0.0.1:8332", ".cookie"},
		{Network: "main"}:                       {"http://127.0.0.1:8332", ".cookie"},
		{Network: "test"}:                       {"http://127.0.0.1:18332", "testnet3/.cookie"},
		{Network: "testnet4"}:                   {"http://127.0.0.1:48332", "testnet4/.cookie"},
		{Network: "signet"}:                     {"http://127.0.0.1:38332", "signet/.cookie"},
		{Network: "regtest"}:                    {"http://127.0.0.1:18443", "regtest/.cookie"},
		{URL: "http://node", Network: "signet"}: {"http://node:38332", "signet/.cookie"},
		{URL: "https://[::1]"}:                  {"https://[::1]:8332", ".cookie"},
		{URL: "http://node:1/wallet/x"}:         {"http://node:1/wallet/x", ".cookie"},
	} {
		c, err := New(cfg)
		if err != nil {
			t.Errorf("%+v: %v", cfg, err)
			continue
		}
		if file := filepath.Join(home, ".bitcoin", want[1]); c.endpoint != want[0] || c.credentials.file != file {
			t.Errorf("%+v: %s, %s", cfg, c.endpoint, c.credentials.file)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want error
	}{
		{Config{Network: "mainnet"}, ErrNetwork},
		{Config{Network: "liquid"}, ErrNetwork},
		{Config{URL: "127.0.0.1:8332"}, ErrURL},
		{Config{URL: "user:secret@127.0.0.1:8332"}, ErrURL},
		{Config{URL: "http://user:secret@:port"}, ErrURL},
		{Config{URL: "http://user:sec%ret@host"}, ErrURL},
		{Config{URL: "http://"}, ErrURL},
		{Config{URL: "ftp://user:secret@host"}, ErrURL},
		{Config{URL: "http://host?password=secret"}, ErrURL},
		{Config{URL: "http://user:secret@host", CookieFile: "x"}, ErrCredentials},
	} {
		if _, err := New(tc.cfg); !errors.Is(err, tc.want) || strings.Contains(err.Error(), "sec") {
			t.Errorf("%+v: %v", tc.cfg, err)
		}
	}
}

func TestNewWithoutHome(t *testing.T) {
	t.Setenv("HOME", "")
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "name the cookie file") {
		t.Fatal(err)
	}
	if _, err := New(Config{CookieFile: "x"}); err != nil {
		t.Fatal(err)
	}
}

// TestAPasswordThatBreaksItsURLIsToldHowToWriteIt, without being shown.
func TestAPasswordThatBreaksItsURLIsToldHowToWriteIt(t *testing.T) {
	for _, text := range []string{
		"http://u:sec/ret@host", "http://u:12/sec@host:8332", "http://u:sec#ret@host", "http://u:12#sec@host", "http://u:sec?ret@host",
		"http://u:12?sec@host", "http://u:sec%ret@host", "http://u:sec ret@host", "http://u:sec[ret@host",
	} {
		_, err := New(Config{URL: text})
		if !errors.Is(err, ErrURL) || !strings.Contains(err.Error(), "/ as %2F, # as %23, % as %25") || strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := New(Config{URL: "ftp://host"}); !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "%2F") {
		t.Errorf("without a password: %v", err)
	}
	if c, err := New(Config{URL: "http://u:s%2Fe%23c%25@host"}); err != nil || c.credentials.last.password != "s/e#c%" {
		t.Errorf("written so: %v, %v", c, err)
	}
}
