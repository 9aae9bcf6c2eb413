package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An authority that fails is asked by Keep alone, and strangers get nothing.
func TestOnlyTheTowerAsksForACertificate(t *testing.T) {
	var asked atomic.Int32
	authority := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer authority.Close()
	a := NewACME(ACMEConfig{
		Names: []string{"tower.example"}, Cache: filepath.Join(t.TempDir(), "acme"),
		Directory: authority.URL, Log: slog.New(slog.DiscardHandler),
	})
	a.manager.Client.HTTPClient = authority.Client()
	a.timing = acmeTiming{look: time.Hour, retry: time.Hour}

	for _, name := range []string{"tower.example", "other.example", ""} {
		if _, err := a.Certificate(&tls.ClientHelloInfo{ServerName: name}); !errors.Is(err, errNone) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("strangers made %d requests", n)
	}
	if s := a.Status(); !errors.Is(s.Err, errNone) {
		t.Errorf("status is %+v", s)
	}

	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	parts.Go(func() { a.Keep(ctx) })
	until(t, "it failed", func() bool { return asked.Load() > 0 && !errors.Is(a.Status().Err, errNone) })
}

func TestACertificateIsShownToWhoAsksForItsName(t *testing.T) {
	dir := t.TempDir()
	pair(t, dir, 7, time.Now(), year)
	held, err := files(dir).Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := NewACME(ACMEConfig{Names: []string{"tower.example", "other.example"}, Cache: dir, Log: slog.New(slog.DiscardHandler)})
	a.held["tower.example"] = held
	for name, want := range map[string]bool{"tower.example": true, "Tower.Example.": true, "": true, "other.example": false, "x": false} {
		got, err := a.Certificate(&tls.ClientHelloInfo{ServerName: name})
		if want != (got == held) || want != (err == nil) {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if s := a.Status(); !s.Expires.Equal(held.Leaf.NotAfter) || !errors.Is(s.Err, errNone) {
		t.Errorf("status is %+v", s)
	}
}
