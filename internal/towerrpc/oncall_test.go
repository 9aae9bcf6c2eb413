package towerrpc_test

import (
	"context"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower/towertest"
	"vigil/internal/towerrpc"
)

// TestCallsFromTheSocketAreTold: by the operator's name for them; those inside the
// process are not, for whoever makes them tells.
func TestCallsFromTheSocketAreTold(t *testing.T) {
	core := &scripted{ready: func(context.Context, bool) error { return nil }}
	l, err := towerrpc.Listen(socketPath(t))
	must(t, err)
	s := towerrpc.NewServer(core, core, towertest.Check(), towertest.Quiet())
	type call struct {
		method string
		err    error
	}
	calls := make(chan call, 10)
	s.OnCall(func(method string, err error, took time.Duration) { calls <- call{method, err} })
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c := dial(t, l.Addr().String())
	must(t, s.Client().Ping(soon(t), false))
	must(t, c.Ping(soon(t), false))
	_, _ = c.Ask(soon(t), "info", nil)
	_, _ = c.Ask(soon(t), "other", nil)
	s.Stop(soon(t))
	must(t, <-done)
	close(calls)
	var got []call
	for c := range calls {
		got = append(got, c)
	}
	if len(got) != 3 || got[0] != (call{"Ping", nil}) || got[1] != (call{"info", nil}) || got[2].method != "other" {
		t.Fatalf("told of %v", got)
	}
	wantCause(t, got[2].err, teos.WrongType)
}
