package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// pair writes a certificate of a number, and its key, into a directory.
func pair(t *testing.T, dir string, number int64, from time.Time, lasts time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "tower.example"},
		DNSNames: []string{"tower.example"}, NotBefore: from, NotAfter: from.Add(lasts),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func files(dir string) *Files {
	return NewFiles(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), slog.New(slog.DiscardHandler))
}

// shows tells whether the pair with a number is shown to clients.
func (f *Files) shows(number int64) bool {
	c, err := f.Certificate(nil)
	return err == nil && c.Leaf.SerialNumber.Int64() == number
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

const year = 365 * 24 * time.Hour

func TestANewPairIsTakenAndABrokenOneIsNot(t *testing.T) {
	dir := t.TempDir()
	f := files(dir)
	if s := f.Status(); !errors.Is(s.Err, fs.ErrNotExist) || !strings.Contains(s.Err.Error(), "tls-cert") {
		t.Errorf("without files: %v", s.Err)
	}
	if _, err := f.Certificate(nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}

	f.every = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	parts.Go(func() { f.Keep(ctx) })
	pair(t, dir, 1, time.Now(), year)
	until(t, "the first is shown", func() bool { return f.shows(1) && f.Status().Err == nil })
	pair(t, dir, 2, time.Now(), year)
	until(t, "the second is shown", func() bool { return f.shows(2) && f.Status().Err == nil })
	write(t, filepath.Join(dir, "cert.pem"), []byte("broken"))
	until(t, "it is told", func() bool { return f.Status().Err != nil })
	if !f.shows(2) {
		t.Error("the pair that was good is gone")
	}
	if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	until(t, "it is told", func() bool { return errors.Is(f.Status().Err, fs.ErrNotExist) })
	pair(t, dir, 3, time.Now(), year)
	until(t, "the third is shown", func() bool { return f.shows(3) && f.Status().Err == nil })
}

func TestAFileThatIsNoneOfPEMIsNotReadWhole(t *testing.T) {
	dir := t.TempDir()
	pair(t, dir, 1, time.Now(), year)
	write(t, filepath.Join(dir, "cert.pem"), make([]byte, maxFile+1))
	if s := files(dir).Status(); s.Err == nil || !strings.Contains(s.Err.Error(), "over 1048576 bytes") {
		t.Error(s.Err)
	}
}

func TestTheEndIsToldInTime(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		age, lasts time.Duration
		soon       bool
	}{
		"young":                    {0, 90 * day, false},
		"15 days left":             {75 * day, 90 * day, false},
		"13 days left":             {77 * day, 90 * day, true},
		"over":                     {91 * day, 90 * day, true},
		"of six days, half over":   {3 * day, 6 * day, false},
		"of six days, a day to go": {5 * day, 6 * day, true},
	} {
		dir := t.TempDir()
		pair(t, dir, 1, time.Now().Add(-c.age), c.lasts)
		if s := files(dir).Status(); s.Soon != c.soon || s.Err != nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
