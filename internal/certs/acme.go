package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACMEConfig is what to get certificates for.
type ACMEConfig struct {
	// Names are the public names, in lower case.
	Names []string
	// Cache is the directory for the account and the certificates. It is
	// made with mode 0700.
	Cache string
	// Directory is the authority's URL; "" for Let's Encrypt.
	Directory string
	Log       *slog.Logger
}

// ACME are certificates that an authority gives and renews (RFC 8555), by the
// challenge that is answered on the TLS listener itself (RFC 8737).
//
// A certificate is asked for by Keep alone, never because somebody connects:
// authorities allow few tries that fail, and strangers would use them up.
type ACME struct {
	manager *autocert.Manager
	names   []string
	log     *slog.Logger
	timing  acmeTiming

	mu    sync.Mutex
	held  map[string]*tls.Certificate
	fails map[string]error
}

type acmeTiming struct {
	// look is the time between two looks whether there is a newer one, retry
	// that after a try that failed, which doubles up to look: Let's Encrypt
	// allows five in an hour.
	look, retry time.Duration
}

var standardACME = acmeTiming{look: time.Hour, retry: 2 * time.Minute}

// NewACME returns the certificates for some names. Using it accepts the
// authority's terms.
func NewACME(c ACMEConfig) *ACME {
	return &ACME{
		manager: &autocert.Manager{
			Prompt:     autocert.AcceptTOS,
			Cache:      autocert.DirCache(c.Cache),
			HostPolicy: autocert.HostWhitelist(c.Names...),
			Client:     &acme.Client{DirectoryURL: cmp.Or(c.Directory, autocert.DefaultACMEDirectory)},
		},
		names: c.Names, log: c.Log, timing: standardACME,
		held: map[string]*tls.Certificate{}, fails: map[string]error{},
	}
}

// Protocols are those of the challenge.
func (a *ACME) Protocols() []string { return []string{acme.ALPNProto} }

// Certificate returns the one for the name that a client asks for; who names
// none gets the first.
func (a *ACME) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		return a.manager.GetCertificate(hello)
	}
	name := strings.ToLower(strings.TrimSuffix(cmp.Or(hello.ServerName, a.names[0]), "."))
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.held[name]; c != nil {
		return c, nil
	}
	return nil, errNone
}

// Status returns how the certificates are.
func (a *ACME) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	var s Status
	for _, name := range a.names {
		if err := a.fails[name]; err != nil {
			s.Err = fmt.Errorf("tls-acme %s: %w", name, err)
		}
		c := a.held[name]
		if c == nil {
			s.Err = cmp.Or(s.Err, fmt.Errorf("tls-acme %s: %w", name, errNone))
			continue
		}
		if expires, soon := look(c, time.Now()); s.Expires.IsZero() || expires.Before(s.Expires) {
			s.Expires, s.Soon = expires, soon
		}
	}
	return s
}

// Keep gets certificates, and what the manager made of them since, until ctx
// ends.
func (a *ACME) Keep(ctx context.Context) {
	for wait := a.timing.retry; ctx.Err() == nil; {
		failed := false
		for _, name := range a.names {
			if err := a.get(ctx, name); err != nil && ctx.Err() == nil {
				failed = true
				a.log.Warn("no certificate was given; trying again", "name", name, "err", err, "in", wait)
			}
		}
		if !failed {
			wait = a.timing.retry
			pause(ctx, a.timing.look)
			continue
		}
		pause(ctx, wait)
		wait = min(2*wait, a.timing.look)
	}
}

// get asks for one certificate. The manager, which knows no context, ends by
// itself within minutes; it is not waited for at a stop.
func (a *ACME) get(ctx context.Context, name string) error {
	type result struct {
		cert *tls.Certificate
		err  error
	}
	got := make(chan result, 1)
	go func() {
		c, err := a.manager.GetCertificate(modern(name))
		got <- result{c, err}
	}()
	var r result
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r = <-got:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fails[name] = r.err
	if r.err == nil {
		if a.held[name] == nil || !a.held[name].Leaf.Equal(r.cert.Leaf) {
			a.log.Info("a certificate was given", "name", name, "expires", r.cert.Leaf.NotAfter)
		}
		a.held[name] = r.cert
	}
	return r.err
}

// modern is a client's hello for which the manager gives an ECDSA certificate,
// which every client that speaks TLS 1.2 as this server does can take.
func modern(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName:        name,
		SignatureSchemes:  []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves:   []tls.CurveID{tls.CurveP256},
		CipherSuites:      []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12},
	}
}
