package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/tests/harness"
	"vigil/towerapi"
)

// TestTheDoorsAreCounted: each under its name, and who is throttled apart from who
// met a busy tower.
func TestTheDoorsAreCounted(t *testing.T) {
	w := newWatch(settings{admin: adminSettings{bind: "127.0.0.1:0"}}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.run(ctx, slog.New(slog.DiscardHandler)) })
	t.Cleanup(func() { cancel(); running.Wait() })
	harness.Until(t, "the room to listen", func() bool { return w.Addr() != "" })
	w.served(towerapi.Served{Method: "register", Took: time.Second})
	w.served(towerapi.Served{Method: "register", Err: towerapi.ErrThrottled})
	w.served(towerapi.Served{Method: "register", Err: teos.Errorf(teos.TooMany, "busy")})
	w.served(towerapi.Served{Err: teos.Errorf(teos.NoEndpoint, "no")})
	w.asked("info", errors.New("a defect"), 0)
	_, body, err := harness.AdminDoor("http://"+w.Addr()).Get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`vigil_requests_total{door="http",method="register",outcome="ok"} 1`,
		`vigil_requests_total{door="http",method="register",outcome="throttled"} 1`,
		`vigil_requests_total{door="http",method="register",outcome="busy"} 1`,
		`vigil_requests_total{door="http",method="other",outcome="not_found"} 1`,
		`vigil_requests_total{door="socket",method="info",outcome="failed"} 1`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}
