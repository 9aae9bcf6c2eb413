package bitcoind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnswersThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter)
		want   error
	}{
		"nothing":       {func(http.ResponseWriter) {}, ErrBadAnswer},
		"no JSON":       {body(200, "<html>hello</html>"), ErrBadAnswer},
		"half of it":    {body(200, `{"result":{"chain":"ma`), ErrBadAnswer},
		"array":         {body(200, `[]`), ErrBadAnswer},
		"two answers":   {body(200, `{"result":1}{"result":2}`), ErrBadAnswer},
		"queue is full": {body(503, "Work queue depth exceeded"), ErrBadAnswer},
		"forbidden":     {body(403, ""), ErrBadAnswer},
		"not found":     {body(404, `{"result":7,"error":null}`), ErrBadAnswer},
		"redirect":      {redirect, ErrBadAnswer},
		"cut off":       {cutOff, io.ErrUnexpectedEOF},
		"too large":     {tooLarge, ErrBadAnswer},
	} {
		n := newNode(t, func(w http.ResponseWriter, _ string) { tc.answer(w) })
		_, err := newClient(t, n).Tip(t.Context())
		if !errors.Is(err, tc.want) || len(err.Error()) > 2*maxErrorText || len(n.called()) != 1 {
			t.Errorf("%s: %.1000v after %d calls", name, err, len(n.called()))
		}
	}
}

func body(status int, text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

func redirect(w http.ResponseWriter) {
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(http.StatusTemporaryRedirect)
}

func cutOff(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "1000")
	io.WriteString(w, `{"result":{"chain":"ma`)
}

func tooLarge(w http.ResponseWriter) {
	io.WriteString(w, `{"result":"`)
	chunk := strings.Repeat("0", 1<<20)
	for range maxAnswer >> 20 {
		io.WriteString(w, chunk)
	}
	io.WriteString(w, `"}`)
}

// hanging is a node that takes a call and never answers.
func hanging(t *testing.T) (*Client, <-chan struct{}) {
	t.Helper()
	called, quit := make(chan struct{}, 1), make(chan struct{})
	n := newNode(t, func(http.ResponseWriter, string) {
		called <- struct{}{}
		<-quit
	})
	t.Cleanup(func() { close(quit) })
	return newClient(t, n), called
}

func TestCallHasADeadlineOfItsOwn(t *testing.T) {
	c, _ := hanging(t)
	c.timeout = 50 * time.Millisecond
	if _, err := c.Tip(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	c, called := hanging(t)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- c.Publish(ctx, []byte{1}) }()
	<-called
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestNoErrorShowsThePassword(t *testing.T) {
	n := newNode(t, func(http.ResponseWriter, string) {})
	c := newClient(t, n)
	n.Close()
	_, err := c.Tip(t.Context())
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "user") {
		t.Fatal(err)
	}
}

// guarded is a node that knows one cookie at a time, as bitcoind does.
type guarded struct {
	*httptest.Server
	file     string
	password atomic.Value
	requests atomic.Int32
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{file: filepath.Join(t.TempDir(), ".cookie")}
	g.password.Store("")
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.requests.Add(1)
		user, password, _ := r.BasicAuth()
		if user != "__cookie__" || password != g.password.Load() {
			w.Header().Set("WWW-Authenticate", `Basic realm="jsonrpc"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"result":{"chain":"regtest","blocks":7},"error":null,"id":"vigil"}`)
	}))
	t.Cleanup(g.Close)
	return g
}

// restart makes a new cookie the only good one; written says whether the file
// holds it yet.
func (g *guarded) restart(t *testing.T, password string, written bool) {
	t.Helper()
	g.password.Store(password)
	if !written {
		return
	}
	if err := os.WriteFile(g.file, []byte("__cookie__:"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCookie(t *testing.T) {
	g := newGuarded(t)
	c, err := New(Config{URL: g.URL, CookieFile: g.file})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tip := func(want error, requests int32) {
		t.Helper()
		g.requests.Store(0)
		if _, err := c.Tip(t.Context()); !errors.Is(err, want) || g.requests.Load() != requests {
			t.Fatalf("%v after %d requests", err, g.requests.Load())
		}
	}
	tip(fs.ErrNotExist, 0)
	g.restart(t, "first", true)
	tip(nil, 1)
	g.restart(t, "second", false)
	tip(ErrUnauthorized, 1)
	g.restart(t, "second", true)
	tip(nil, 2)
	g.restart(t, "third", true)
	tip(nil, 2)
	tip(nil, 1)
	if err := os.WriteFile(g.file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.restart(t, "fourth", false)
	tip(ErrUnauthorized, 1)
	tip(ErrUnauthorized, 0)
	g.restart(t, "fourth", true)
	tip(nil, 1)
}

func TestCookieOfManyCallsAtOnce(t *testing.T) {
	g := newGuarded(t)
	g.restart(t, "first", true)
	c, err := New(Config{URL: g.URL, CookieFile: g.file})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, password := range []string{"first", "second", "third"} {
		g.restart(t, password, true)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := c.Tip(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func TestCredentialsOfTheURLAreNotRead(t *testing.T) {
	g := newGuarded(t)
	g.password.Store("p@ss:word")
	c, err := New(Config{URL: strings.Replace(g.URL, "://", "://__cookie__:p%40ss%3Aword@", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Tip(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.password.Store("other")
	g.requests.Store(0)
	if _, err := c.Tip(t.Context()); !errors.Is(err, ErrUnauthorized) || g.requests.Load() != 1 {
		t.Fatalf("%v after %d requests", err, g.requests.Load())
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add(200, []byte(`{"result":"00","error":null,"id":"vigil"}`))
	f.Add(500, []byte(`{"result":null,"error":{"code":-8,"message":"Block height out of range"},"id":"vigil"}`))
	f.Add(503, []byte("Work queue depth exceeded"))
	f.Fuzz(func(t *testing.T, status int, answer []byte) {
		result, err := parseAnswer(status, answer)
		var rpc *RPCError
		switch {
		case err == nil:
			if status != 200 || !json.Valid(result) || string(result) == "null" {
				t.Fatalf("took %q as the result", result)
			}
		case !errors.As(err, &rpc) && !errors.Is(err, ErrBadAnswer), len(err.Error()) > 2*maxErrorText:
			t.Fatal(err)
		}
	})
}
