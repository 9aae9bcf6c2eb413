package onion

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeTor answers as Tor's control port does, over real TCP.
type fakeTor struct {
	t        *testing.T
	listener net.Listener
	methods  string
	cookie   string // the file that it names
	secret   []byte // what it takes for the file's content
	password string

	mu       sync.Mutex
	added    []string // the commands that offered a service
	conns    []net.Conn
	services map[net.Conn]string
	forget   bool // it does not list what it offers
	parts    sync.WaitGroup
}

func newFakeTor(t *testing.T, methods string) *fakeTor {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeTor{t: t, listener: l, methods: methods, services: map[net.Conn]string{}}
	f.secret = []byte(strings.Repeat("c", 32))
	f.cookie = filepath.Join(t.TempDir(), `a "cookie"`)
	if err := os.WriteFile(f.cookie, f.secret, 0o600); err != nil {
		t.Fatal(err)
	}
	f.parts.Go(f.accept)
	t.Cleanup(func() { l.Close(); f.drop(); f.parts.Wait() })
	return f
}

func (f *fakeTor) accept() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, c)
		f.mu.Unlock()
		f.parts.Go(func() { f.serve(c) })
	}
}

// drop closes every connection, as Tor does when it ends.
func (f *fakeTor) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
	f.conns = nil
}

func (f *fakeTor) serve(c net.Conn) {
	defer func() {
		f.mu.Lock()
		delete(f.services, c)
		f.mu.Unlock()
		c.Close()
	}()
	in := bufio.NewScanner(c)
	known, proof := false, ""
	for in.Scan() {
		word, rest, _ := strings.Cut(in.Text(), " ")
		answer := "514 Authentication required."
		switch {
		case word == "PROTOCOLINFO":
			answer = fmt.Sprintf("250-PROTOCOLINFO 1\r\n250-AUTH METHODS=%s COOKIEFILE=%q\r\n250-VERSION Tor=\"0.4.8.0\"\r\n250 OK", f.methods, f.cookie)
		case word == "AUTHCHALLENGE":
			answer, proof = f.challenge(strings.TrimPrefix(rest, "SAFECOOKIE "))
		case word == "AUTHENTICATE":
			known = f.methods == "NULL" || rest != "" && (rest == proof || rest == hex.EncodeToString([]byte(f.password)))
			if answer = "250 OK"; !known {
				answer = "515 Authentication failed: Password did not match HashedControlPassword *value* from configuration"
			}
		case known && word == "ADD_ONION":
			answer = f.add(c, in.Text())
		case known && word == "GETINFO":
			answer = "650 SOMETHING\r\n" + f.list(c)
		}
		if _, err := io.WriteString(c, answer+"\r\n"); err != nil {
			return
		}
	}
}

func (f *fakeTor) challenge(nonceText string) (answer, expected string) {
	nonce, err := hex.DecodeString(nonceText)
	if err != nil {
		return "513 Invalid base16 client nonce", ""
	}
	ours := []byte(strings.Repeat("n", 32))
	hash := prove(toController, f.secret, nonce, ours)
	return fmt.Sprintf("250 AUTHCHALLENGE SERVERHASH=%X SERVERNONCE=%X", hash, ours),
		hex.EncodeToString(prove(toServer, f.secret, nonce, ours))
}

func (f *fakeTor) add(c net.Conn, command string) string {
	k, err := parseKey([]byte(strings.Fields(command)[1]))
	if err != nil {
		return "513 Failed to decode ED25519-V3 key"
	}
	id, err := k.id()
	if err != nil {
		return "513 Failed to decode ED25519-V3 key"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, other := range f.services {
		if other == id {
			return "550 Onion address collision"
		}
	}
	f.services[c] = id
	f.added = append(f.added, command)
	return "250-ServiceID=" + id + "\r\n250 OK"
}

func (f *fakeTor) list(c net.Conn) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forget {
		return "250-onions/current=\r\n250 OK"
	}
	return "250+onions/current=\r\n" + f.services[c] + "\r\n.\r\n250 OK"
}

// commands are those that offered a service.
func (f *fakeTor) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.added)
}

// start runs a service of this Tor until the test ends.
func (f *fakeTor) start(t *testing.T, change func(*Config)) *Service {
	t.Helper()
	c := Config{
		Control: f.listener.Addr().String(), KeyFile: filepath.Join(t.TempDir(), "onion.key"), Port: 9814,
		Target: func() string { return "127.0.0.1:1234" }, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	s := newService(c, timing{
		command: 5 * time.Second, check: 20 * time.Millisecond, retry: 5 * time.Millisecond, most: 20 * time.Millisecond,
	})
	var parts sync.WaitGroup
	parts.Go(func() { s.Run(t.Context()) })
	t.Cleanup(parts.Wait)
	return s
}

// until polls for something that comes soon.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
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
