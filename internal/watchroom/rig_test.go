package watchroom

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// soonEnough is how long a test waits for what must happen.
const soonEnough = 30 * time.Second

// fakeTower answers as a test tells it to.
type fakeTower struct {
	mu    sync.Mutex
	said  map[string]string // documents by method
	err   error
	asked map[string]int
	// hold is waited for by each answer, if it is there.
	hold chan struct{}
}

func newFakeTower() *fakeTower {
	return &fakeTower{asked: map[string]int{}, said: map[string]string{
		"info":     `{"guarding": true, "tower_id": "02aa", "network": "regtest", "height": 7, "source_height": 7, "started": "2026-01-02T03:04:05Z", "since": "2026-01-01T00:00:00Z"}`,
		"events":   `{"events": []}`,
		"breaches": `{"breaches": []}`,
		"users":    `{"users": []}`,
	}}
}

func (f *fakeTower) Ask(_ context.Context, method string, _ []byte) ([]byte, error) {
	f.mu.Lock()
	f.asked[method]++
	said, err, hold := f.said[method], f.err, f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return []byte(said), err
}

func (f *fakeTower) set(change func(*fakeTower)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeTower) times(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[method]
}

// room is a server at work.
type room struct {
	*Server
	t    *testing.T
	log  *lines
	stop func()
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// open serves at a free address until the test ends.
func open(t *testing.T, c Config, prepare ...func(*Server)) *room {
	t.Helper()
	if c.Bind == "" {
		c.Bind = "127.0.0.1:0"
	}
	r := begin(t, c, prepare...)
	r.until("the room to listen", func() bool { return r.Addr() != "" })
	return r
}

func begin(t *testing.T, c Config, prepare ...func(*Server)) *room {
	t.Helper()
	r := &room{t: t, log: &lines{}}
	c.Log = slog.New(slog.NewTextHandler(r.log, nil))
	r.Server = New(c, NewMetrics("test"))
	for _, f := range prepare {
		f(r.Server)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	r.stop = func() { cancel(); running.Wait() }
	t.Cleanup(r.stop)
	return r
}

func (r *room) until(what string, ok func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), soonEnough)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("waited for %s; the log says\n%s", what, r.log)
		}
	}
}

type reply struct {
	status int
	head   http.Header
	body   string
}

func (r *room) do(method, path string, prepare ...func(*http.Request)) reply {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.Addr()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range prepare {
		f(request)
	}
	client := &http.Client{Timeout: soonEnough, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

func (r *room) get(path string) reply { r.t.Helper(); return r.do(http.MethodGet, path) }

func (r *room) want(path string, status int, body string) {
	r.t.Helper()
	if got := r.get(path); got.status != status || !strings.Contains(got.body, body) {
		r.t.Errorf("%s: %d %q, want %d and %q", path, got.status, got.body, status, body)
	}
}

func (r *room) page() (s status) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.get("/status.json").body), &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}
