package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/tests/harness"
)

// reached is what of vigil-info tells of how others reach the tower.
type reached struct {
	Addresses []struct {
		Address  string `json:"address"`
		Kind     string `json:"kind"`
		Register string `json:"register"`
	} `json:"addresses"`
	Warnings []string `json:"warnings"`
}

// first is the address of a kind, "" where there is none.
func (r reached) first(kind string) string {
	for _, a := range r.Addresses {
		if a.Kind == kind {
			return a.Address
		}
	}
	return ""
}

// warns tells whether there is a warning of something.
func (r reached) warns(of string) bool { return strings.Contains(strings.Join(r.Warnings, "\n"), of) }

// startStandalone runs `vigil tower` over the node that runs everywhere.
func startStandalone(t *testing.T, options harness.Options) harness.Tower {
	t.Helper()
	for _, v := range harness.Variants() {
		if v.Name == "standalone/btcd" {
			node := harness.StartNode(t, v.Backend)
			node.Mine(1)
			return harness.StartTower(t, v, node, options)
		}
	}
	t.Fatal("there is no such way to run a tower")
	return nil
}

func howReached(t *testing.T, tower harness.Tower) (r reached) {
	t.Helper()
	if err := tower.Ask(t.Context(), "info", nil, &r); err != nil {
		t.Fatalf("vigil info: %v", err)
	}
	return r
}

// startTor runs a Tor that opens no connection to any network, and returns how
// to end it.
func startTor(t *testing.T, program, dir, control string) (stop func()) {
	t.Helper()
	torrc := filepath.Join(dir, "torrc")
	config := fmt.Sprintf("DisableNetwork 1\nSocksPort 0\nDataDirectory %s\nControlPort %s\nCookieAuthentication 1\n",
		filepath.Join(dir, "tor"), control)
	if err := os.WriteFile(torrc, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-f", torrc, "--defaults-torrc", torrc+"-none", "--ignore-missing-torrc", "--quiet")
	if err := cmd.Start(); err != nil {
		t.Fatalf("start tor: %v", err)
	}
	return func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
}

// TestOnionServiceKeepsItsAddress: whatever happens to Tor or the tower, clients
// come back to the address that they know.
func TestOnionServiceKeepsItsAddress(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("tor")
	if err != nil {
		t.Skip("needs tor on the PATH")
	}
	dir, control := harness.Dir(t), harness.FreeAddress(t)
	tower := startStandalone(t, harness.Options{"tor-control": control})
	harness.Until(t, "the tower to miss Tor", func() bool { return howReached(t, tower).warns("is Tor running") })

	offered := func() bool {
		r := howReached(t, tower)
		return r.first("onion") != "" && !r.warns("onion service")
	}
	stop := startTor(t, program, dir, control)
	defer func() { stop() }()
	harness.Until(t, "the onion service", offered)
	address := howReached(t, tower).first("onion")
	if !strings.HasSuffix(address, ".onion:9814") {
		t.Fatalf("the address is %q", address)
	}

	stop()
	harness.Until(t, "the tower to miss Tor", func() bool { return howReached(t, tower).warns("onion service") })
	stop = startTor(t, program, dir, control)
	harness.Until(t, "the onion service after Tor started again", offered)
	tower.Stop()
	tower.Start()
	harness.Until(t, "the onion service after the tower started again", offered)
	if again := howReached(t, tower).first("onion"); again != address {
		t.Errorf("the address is %s, was %s", again, address)
	}
}

// TestTLSOfTheTower: with a certificate of the operator's the same API is served
// over TLS, and by a new one when its files change.
func TestTLSOfTheTower(t *testing.T) {
	t.Parallel()
	dir, bind := harness.Dir(t), harness.FreeAddress(t)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	tower := startStandalone(t, harness.Options{
		"tls-bind": bind, "tls-cert": cert, "tls-key": key, "public-address": "tower.example:9814,https://tower.example:443",
	})
	if r := howReached(t, tower); !r.warns("tls-cert") || r.first("https") != "tower.example:443" ||
		!strings.HasSuffix(r.Addresses[0].Register, "@tower.example:9814") {
		t.Fatalf("vigil info: %+v", r)
	}
	for range 2 {
		roots := writeCertificate(t, cert, key)
		client := http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "tower.example", MinVersion: tls.VersionTLS12},
		}}
		harness.Until(t, "the new certificate", func() bool {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+bind+"/ping", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if err != nil {
				return false
			}
			res.Body.Close()
			return res.StatusCode == http.StatusOK
		})
	}
	if r := howReached(t, tower); r.warns("TLS") {
		t.Errorf("vigil info warns: %q", r.Warnings)
	}
}

// writeCertificate makes a new pair, which its pool alone trusts.
func writeCertificate(t *testing.T, cert, key string) *x509.CertPool {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{"tower.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	secretDER, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secretDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return roots
}
