package towerrpc_test

import (
	"context"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower/towertest"
	"vigil/internal/towerrpc"
)

// bothWays tests a core over a socket and in the same process.
func bothWays(t *testing.T, core towerrpc.Core, test func(t *testing.T, c *towerrpc.Client, logged *log)) {
	t.Helper()
	for _, way := range []string{"socket", "local"} {
		t.Run(way, func(t *testing.T) {
			socket := socketPath(t)
			logged, server := open(t, core, socket)
			c := server.Client()
			if way == "socket" {
				c = dial(t, socket)
			}
			test(t, c, logged)
		})
	}
}

// hung is a core whose disk hangs when it is written to, until it is let go: it
// does not even heed its context.
type hung struct {
	towerrpc.Core
	entered, release chan struct{}
}

func newHung() *hung { return &hung{entered: make(chan struct{}, 1), release: make(chan struct{})} }

func (h *hung) Ready(_ context.Context, write bool) error {
	if !write {
		return nil
	}
	h.entered <- struct{}{}
	<-h.release
	return nil
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("waited in vain")
	}
	return v
}

// A disk that hangs must not hang whoever asks: an appointment has to be
// answered within 5 s.
func TestNobodyWaitsLongerThanItsDeadline(t *testing.T) {
	core := newHung()
	bothWays(t, core, func(t *testing.T, c *towerrpc.Client, _ *log) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		wantCause(t, c.Ping(ctx, true), teos.Unavailable)
		receive(t, core.entered)
		core.release <- struct{}{}
	})
}

// Calls that are under way may end, and no others begin.
func TestStopLetsLocalCallsEnd(t *testing.T) {
	core := newHung()
	s := towerrpc.NewServer(core, coreDesk(core), towertest.Check(), towertest.Quiet())
	c, ctx := s.Client(), soon(t)
	answer, stopped := make(chan error, 1), make(chan struct{})
	go func() { answer <- c.Ping(ctx, true) }()
	receive(t, core.entered)
	go func() { defer close(stopped); s.Stop(ctx) }()
	wantCause(t, awaitRefusal(ctx, c), teos.Unavailable)
	select {
	case <-stopped:
		t.Fatal("it did not wait for a call")
	default:
	}
	core.release <- struct{}{}
	if err := receive(t, answer); err != nil {
		t.Errorf("the call under way: %v", err)
	}
	receive(t, stopped)
}

// awaitRefusal asks until it is refused.
func awaitRefusal(ctx context.Context, c *towerrpc.Client) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if err := c.Ping(ctx, false); err != nil {
			return err
		}
		<-tick.C
	}
}

// What takes longer than a stop may is ended.
func TestStopEndsLocalCallsAtItsDeadline(t *testing.T) {
	entered := make(chan struct{})
	core := &scripted{ready: func(ctx context.Context, _ bool) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}}
	s := towerrpc.NewServer(core, coreDesk(core), towertest.Check(), towertest.Quiet())
	answer := make(chan error, 1)
	go func() { answer <- s.Client().Ping(t.Context(), false) }()
	receive(t, entered)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	s.Stop(over)
	wantCause(t, receive(t, answer), teos.Unavailable)
}

// coreDesk is a core that answers the operator, too, if it does.
func coreDesk(core towerrpc.Core) towerrpc.Desk {
	desk, _ := core.(towerrpc.Desk)
	return desk
}
