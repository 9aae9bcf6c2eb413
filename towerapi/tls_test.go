package towerapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vigil/internal/teos"
)

// fixed is a certificate that stays as it is, and counts who keeps it.
type fixed struct {
	pair tls.Certificate
	kept chan struct{}
}

// newFixed has the certificate of the standard library's test server.
func newFixed(t *testing.T) (*fixed, *x509.CertPool) {
	t.Helper()
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	roots := x509.NewCertPool()
	roots.AddCert(other.Certificate())
	return &fixed{pair: other.TLS.Certificates[0], kept: make(chan struct{}, 100)}, roots
}

func (f *fixed) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &f.pair, nil }
func (f *fixed) Protocols() []string                                        { return nil }
func (f *fixed) Keep(ctx context.Context)                                   { f.kept <- struct{}{}; <-ctx.Done() }

// startTLS serves by both listeners.
func startTLS(t *testing.T, core Tower, c Config, prepare ...func(*Server)) (s *running, client *http.Client) {
	t.Helper()
	certificates, roots := newFixed(t)
	c.TLS = &TLS{Bind: "127.0.0.1:0", Certificates: certificates}
	s = start(t, core, c, quick(), prepare...)
	s.until("TLS to listen", func() bool { return s.TLSAddr() != "" && s.Entrances()[1].Err == nil })
	receive(t, certificates.kept)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return s, &http.Client{Transport: transport, Timeout: patience}
}

func (r *running) postTLS(client *http.Client, path, body string) (status int, answer string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "https://"+r.TLSAddr()+path, bytes.NewBufferString(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", jsonType)
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil || res.Proto != "HTTP/1.1" {
		r.t.Fatalf("%s: %v", res.Proto, err)
	}
	return res.StatusCode, string(content)
}

func TestTheSameAPIOverTLS(t *testing.T) {
	s, client := startTLS(t, new(fakeTower), Config{})
	body := newUser(t, teos.V2).add(appointment(1))
	status, answer := s.postTLS(client, "/add_appointment", body)
	if plain := s.post("/add_appointment", body); status != http.StatusOK || answer != plain.raw {
		t.Errorf("over TLS %d %s, without %v", status, answer, plain)
	}
	if status, answer := s.postTLS(client, "/nothing", "{}"); status != http.StatusNotFound || !bytes.Contains([]byte(answer), []byte("error_code")) {
		t.Errorf("%d %s", status, answer)
	}
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", s.TLSAddr(), old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func TestStoreFailureClosesBothDoors(t *testing.T) {
	core := newFaultyTower()
	s, client := startTLS(t, core, Config{})
	plain, secure := s.Addr(), s.TLSAddr()
	body := newUser(t, teos.V2).add(appointment(1))
	core.broken.Store(true)
	if status, answer := s.postTLS(client, "/add_appointment", body); status != http.StatusServiceUnavailable {
		t.Fatalf("%d %s", status, answer)
	}
	s.until("both doors to close", func() bool { return refused(plain) && refused(secure) })
	core.broken.Store(false)
	s.until("both doors to open", func() bool { return s.Addr() == plain && s.TLSAddr() == secure })
	if status, answer := s.postTLS(client, "/add_appointment", body); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
}

// A port that is taken keeps nobody from coming by the other.
func TestABusyTLSPortLeavesThePlainDoorOpen(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	certificates, _ := newFixed(t)
	s := start(t, new(fakeTower), Config{TLS: &TLS{Bind: taken.Addr().String(), Certificates: certificates}}, quick())
	s.post("/add_appointment", newUser(t, teos.V2).add(appointment(1))).is(t, http.StatusOK, 0)
	if s.TLSAddr() != "" {
		t.Errorf("it listens on %s", s.TLSAddr())
	}
	s.until("the reason to be told", func() bool {
		e := s.Entrances()
		return len(e) == 2 && e[0].Err == nil && e[0].Addr == s.Addr() && !e[0].TLS &&
			e[1].TLS && e[1].Bind == taken.Addr().String() && e[1].Addr == "" && strings.Contains(fmt.Sprint(e[1].Err), "address already in use")
	})
	taken.Close()
	s.until("TLS to listen", func() bool { return s.TLSAddr() != "" })
}

// Where an operator mixed up two ports, clients keep what they have.
func TestPlainHTTPOnTheTLSPortIsToldToComeAgain(t *testing.T) {
	s, _ := startTLS(t, new(fakeTower), Config{})
	s.url = "http://" + s.TLSAddr()
	s.post("/add_appointment", newUser(t, teos.V2).add(appointment(1))).is(t, http.StatusServiceUnavailable, 7)
}

func TestTLSConnectionsCountForTheirAddress(t *testing.T) {
	s, client := startTLS(t, new(fakeTower), Config{MaxConnectionsPerAddress: 1}, nobody)
	s.until("a place", func() bool {
		status, _ := s.postTLS(client, "/register", "{}")
		return status == http.StatusBadRequest // and the connection stays
	})
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.TLSAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the second connection is let in: %d, %v", n, err)
	}
}
