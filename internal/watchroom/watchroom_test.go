package watchroom

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestHealthAndReadiness: what runs is healthy, what guards is ready, and whoever is
// neither says why.
func TestHealthAndReadiness(t *testing.T) {
	r, tower := open(t, Config{}), newFakeTower()
	r.want("/healthz", 503, "not running: the tower does not run it is starting\n")
	r.want("/readyz", 503, "not guarding: the tower does not run it is starting\n")
	if s := r.page(); s.Running || s.Info != nil || !strings.Contains(s.Trouble, "it is starting") {
		t.Errorf("before the start the page is told %+v", s)
	}
	r.Open(tower)
	r.want("/healthz", 200, "ok\n")
	r.want("/readyz", 200, "guarding\n")
	tower.set(func(f *fakeTower) {
		f.said["info"] = `{"guarding": false, "not_guarding": "its store fails", "started": "", "since": ""}`
	})
	r.info.forget()
	r.want("/healthz", 200, "ok\n")
	r.want("/readyz", 503, "not guarding: its store fails\n")
	tower.set(func(f *fakeTower) { f.err = errors.New("disk\nI/O error " + strings.Repeat("x", 2*maxReason)) })
	r.info.forget()
	r.want("/readyz", 503, "not guarding: disk I/O error xxx")
	if got := r.get("/readyz"); len(got.body) > maxReason+100 {
		t.Errorf("a reason of %d bytes", len(got.body))
	}
	r.Close(errors.New("it is stopping"))
	r.want("/healthz", 503, "it is stopping")
	if s := r.page(); s.Running || s.Info == nil || !strings.Contains(s.Trouble, "it is stopping") {
		t.Errorf("after the end the page is told %+v, want the last that was known, and that it is old", s)
	}
}

// TestOnlyReading: no method changes anything, and HEAD answers as GET does.
func TestOnlyReading(t *testing.T) {
	r := open(t, Config{})
	r.Open(newFakeTower())
	for _, path := range []string{"/", "/status.json", "/healthz", "/readyz", "/metrics"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
			if got := r.do(method, path); got.status != http.StatusMethodNotAllowed || got.head.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, allowed: %q", method, path, got.status, got.head.Get("Allow"))
			}
		}
		if got := r.do(http.MethodHead, path); got.status != 200 || got.body != "" {
			t.Errorf("HEAD %s: %d %q", path, got.status, got.body)
		}
	}
	r.want("/other", 404, "")
}

// TestForeignNamesAreRefused: a web page's own name that points here.
func TestForeignNamesAreRefused(t *testing.T) {
	r := open(t, Config{Hosts: []string{"Tower.lan"}})
	for host, ok := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:9816": true, "[::1]:9816": true, "[::1]": true, "192.0.2.7:80": true,
		"localhost": true, "LOCALHOST:9816": true, "tower.lan:9816": true, "TOWER.LAN.": true,
		"evil.example": false, "evil.example:9816": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
		"lan": false, "[evil]": false, "0x7f000001": false,
	} {
		for _, path := range []string{"/", "/status.json", "/metrics", "/healthz", "/other"} {
			got := r.do(http.MethodGet, path, func(q *http.Request) { q.Host = host })
			if (got.status == http.StatusMisdirectedRequest) == ok {
				t.Errorf("%s of %q: %d", path, host, got.status)
			}
		}
	}
}

// TestTheBoundNameIsAnswered: who let it listen by a name may ask by it.
func TestTheBoundNameIsAnswered(t *testing.T) {
	s := New(Config{Bind: "tower.lan:9816"}, NewMetrics("test"))
	if !s.answersTo("tower.lan:9816") || s.answersTo("other.lan:9816") {
		t.Error("the name of admin-bind is not the one that is answered")
	}
}

// TestThePagesPolicy: no script or style but its own, no other address, no frame.
func TestThePagesPolicy(t *testing.T) {
	r := open(t, Config{})
	got := r.get("/")
	policy := got.head.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(got.head.Get("Content-Type"), "text/html") {
		t.Errorf("policy %q of %q", policy, got.head.Get("Content-Type"))
	}
	for _, bad := range []string{"http:", "https:", " onclick", " onload", " onerror", "innerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if text := strings.ReplaceAll(got.body, "http://www.w3.org/2000/svg", ""); strings.Contains(text, bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
}

// TestATowerThatHangs: whoever asks gets the last answer, marked as old, and the
// tower is not asked again before it has answered.
func TestATowerThatHangs(t *testing.T) {
	r, tower := open(t, Config{}, func(s *Server) { s.info.wait = 20 * time.Millisecond }), newFakeTower()
	r.Open(tower)
	r.until("the first answer", func() bool { return strings.Contains(r.get("/metrics").body, "vigil_up 1\n") })
	hold := make(chan struct{})
	tower.set(func(f *fakeTower) { f.hold = hold })
	r.info.forget()
	before := tower.times("info")
	for range 3 {
		r.want("/metrics", 200, "vigil_up 0\n")
		r.want("/metrics", 200, "vigil_height 7\n")
		r.want("/metrics", 200, "vigil_guarding 0\n")
	}
	r.want("/readyz", 503, "not guarding: the tower does not answer now")
	r.want("/healthz", 200, "ok")
	if s := r.page(); s.Info == nil || s.Info.Height != 7 || !strings.Contains(s.Trouble, "does not answer") {
		t.Errorf("the page is told %+v", s)
	}
	if n := tower.times("info") - before; n != 1 {
		t.Errorf("it was asked %d times while it hung", n)
	}
	tower.set(func(f *fakeTower) { f.hold = nil })
	close(hold)
	r.until("it to answer again", func() bool { return strings.Contains(r.get("/metrics").body, "vigil_up 1\n") })
}

// TestManyVisitorsAskOnce: the tower is asked once for all who come at a time.
func TestManyVisitorsAskOnce(t *testing.T) {
	r, tower := open(t, Config{}, func(s *Server) { s.info.age = time.Hour }), newFakeTower()
	r.Open(tower)
	var visitors sync.WaitGroup
	for range 20 {
		visitors.Go(func() { r.want("/readyz", 200, "guarding") })
	}
	visitors.Wait()
	if n := tower.times("info"); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestAPanicOfTheTowersIsNotOurs.
func TestAPanicOfTheTowersIsNotOurs(t *testing.T) {
	r := open(t, Config{})
	r.Open(panicking{})
	r.want("/readyz", 503, "not guarding: a defect of ours: oh")
	r.want("/metrics", 200, "vigil_up 0\n")
}

type panicking struct{}

func (panicking) Ask(context.Context, string, []byte) ([]byte, error) { panic("oh") }

// TestABusyPortIsTriedAgain: the reason is told, logged once, and gone when the port
// is free.
func TestABusyPortIsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, Config{Bind: l.Addr().String()})
	r.until("the trouble to be told", func() bool { return strings.Contains(r.Trouble(), "address already in use") })
	if r.Addr() != "" {
		t.Errorf("it listens at %s", r.Addr())
	}
	l.Close()
	r.until("the port to be taken", func() bool { return r.Addr() == l.Addr().String() })
	if r.Trouble() != "" {
		t.Errorf("trouble after it: %s", r.Trouble())
	}
	if n := strings.Count(r.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, r.log)
	}
}

// TestNoAddressIsNoTrouble.
func TestNoAddressIsNoTrouble(t *testing.T) {
	s := New(Config{Log: slog.New(slog.DiscardHandler)}, NewMetrics("test"))
	s.Run(t.Context()) // returns at once
	if s.Addr() != "" || s.Trouble() != "" {
		t.Errorf("address %q, trouble %q", s.Addr(), s.Trouble())
	}
}

// TestConnectionsAreLimited: the last that fits is served while all others are open,
// the next one when one of them has gone.
func TestConnectionsAreLimited(t *testing.T) {
	r := open(t, Config{})
	r.Open(newFakeTower())
	var conns []net.Conn
	ask := func(c net.Conn) {
		t.Helper()
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	answered := func(c net.Conn) {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(soonEnough))
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("connection %d: %v", len(conns), err)
		}
		response.Body.Close()
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for range maxConnections {
		conns = append(conns, dial())
		ask(conns[len(conns)-1])
		answered(conns[len(conns)-1])
	}
	next := dial()
	ask(next)
	next.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := next.Read(make([]byte, 1)); err == nil {
		t.Fatalf("one more than %d is served: %d bytes", maxConnections, n)
	}
	conns[0].Close()
	answered(next)
}

// TestHalfARequestIsCutOff: a connection on which nothing more comes does not stay.
func TestHalfARequestIsCutOff(t *testing.T) {
	r := open(t, Config{}, func(s *Server) {
		if s.http.ReadHeaderTimeout != readTimeout || s.http.ReadTimeout != readTimeout || s.http.WriteTimeout != writeTimeout || s.http.IdleTimeout != idleTimeout {
			t.Errorf("time-outs are not those that are stated: %+v", s.http)
		}
		s.http.ReadHeaderTimeout = 20 * time.Millisecond
	})
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: ")
	c.SetReadDeadline(time.Now().Add(soonEnough))
	if said, err := io.ReadAll(c); err != nil {
		t.Errorf("it is not cut off: %v, %q", err, said)
	}
}

// TestLargeHeadsAreRefused: beyond the limit, which net/http raises by 4,096 bytes.
func TestLargeHeadsAreRefused(t *testing.T) {
	r := open(t, Config{})
	r.Open(newFakeTower())
	padded := func(size int) func(*http.Request) {
		return func(q *http.Request) { q.Header.Set("X", strings.Repeat("x", size)) }
	}
	if got := r.do(http.MethodGet, "/healthz", padded(maxHeader)); got.status != 200 {
		t.Errorf("a head within the limit: %d", got.status)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Addr()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	padded(maxHeader + 4096 + 1)(request)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil { // else it was cut off
		response.Body.Close()
		if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a head over the limit: %d", response.StatusCode)
		}
	}
}

// TestTheLargestUsers: those with most bytes, out of all pages.
func TestTheLargestUsers(t *testing.T) {
	pages := pagedTower{}
	l, err := askLargest(t.Context(), &pages)
	if err != nil || l.Of != maxUserPages*userPage || len(l.Users) != shownUsers || pages.asked != maxUserPages {
		t.Fatalf("%d users of %d in %d pages, %v", len(l.Users), l.Of, pages.asked, err)
	}
	for i, u := range l.Users {
		if want := uint64(maxUserPages*userPage - i); u.Stored != want {
			t.Errorf("user %d has %d bytes, want %d", i, u.Stored, want)
		}
	}
}

// pagedTower has users without end, each with a byte more than the one before.
type pagedTower struct{ asked int }

func (p *pagedTower) Ask(_ context.Context, _ string, params []byte) ([]byte, error) {
	var q struct{ After, Limit int }
	if err := json.Unmarshal(params, &q); err != nil || q.After != p.asked*userPage || q.Limit != userPage {
		return nil, fmt.Errorf("asked for %+v", q)
	}
	p.asked++
	var users []map[string]int
	for i := range q.Limit {
		users = append(users, map[string]int{"stored_bytes": q.After + i + 1})
	}
	return json.Marshal(map[string]any{"users": users, "next": q.After + q.Limit})
}
