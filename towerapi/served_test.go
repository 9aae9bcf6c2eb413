package towerapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
)

// TestEachRequestIsTold: its method, never a stranger's words, and why it was
// refused.
func TestEachRequestIsTold(t *testing.T) {
	var mu sync.Mutex
	var last Served
	var told int
	core := &fakeTower{}
	r := start(t, core, Config{Served: func(s Served) {
		mu.Lock()
		defer mu.Unlock()
		last = s
		told++
	}}, quick())
	u := newUser(t, teos.V2)
	for i, c := range []struct {
		method, path, body, want string
		cause                    teos.Cause
	}{
		{http.MethodPost, "/register", u.register(), "register", 0},
		{http.MethodPost, "/add_appointment", u.add(appointment(1)), "add_appointment", 0},
		{http.MethodPost, "/add_appointment", "{", "add_appointment", teos.NotJSON},
		{http.MethodPost, "/register", strings.Repeat(" ", maxQuery+1), "register", teos.TooLarge},
		{http.MethodGet, "/register", "", "", teos.WrongMethod},
		{http.MethodGet, "/" + strings.Repeat("x", 100), "", "", teos.NoEndpoint},
		{http.MethodGet, "/ping", "", "ping", 0},
	} {
		r.send(c.method, c.path, jsonType, c.body)
		r.until("the request to be told", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return told == i+1
		})
		if last.Method != c.want || (last.Err != nil) != (c.cause != 0) ||
			last.Err != nil && teos.AsError(last.Err).Cause != c.cause || last.Took < 0 {
			t.Errorf("%s %.20s: told %+v, want %q refused by %v", c.method, c.path, last, c.want, c.cause)
		}
	}
	core.add = func(context.Context, inspector.AddAppointment) (tower.Acceptance, error) {
		return tower.Acceptance{}, errNo
	}
	r.post("/add_appointment", u.add(appointment(2)))
	if !errors.Is(last.Err, errNo) {
		t.Errorf("told %v, want the failure itself: what the client is told says less", last.Err)
	}
}

var errNo = errors.New("no")

// TestAThrottledRequestIsTold: as one that its address's haste is to blame for, not
// the tower's load.
func TestAThrottledRequestIsTold(t *testing.T) {
	told := make(chan Served, 2*manyUsers)
	r := start(t, &fakeTower{}, Config{Onion: true, Served: func(s Served) { told <- s }}, quick(), func(s *Server) {
		s.registrations = newThrottle(1)
		s.registrations.limit = 1e-3
	})
	for i := range manyUsers + 1 {
		r.post("/register", newUser(t, teos.V2).register())
		if got := receive(t, told); errors.Is(got.Err, ErrThrottled) != (i == manyUsers) || errors.Is(got.Err, errTooMany) {
			t.Errorf("registration %d: told %+v", i, got)
		}
	}
}
