package towerapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
)

// errDisk is no *teos.Error: its text must not leave.
var errDisk = errors.New("disk I/O error at /var/lib/secret")

// faultyTower fails all writes while broken, and is not ready while away.
type faultyTower struct {
	fakeTower
	broken, away atomic.Bool
}

func newFaultyTower() *faultyTower {
	f := new(faultyTower)
	f.add = func(_ context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
		if f.broken.Load() {
			return tower.Acceptance{}, errDisk
		}
		return tower.Acceptance{Locator: r.Appointment().Locator}, nil
	}
	f.ping = func(_ context.Context, write bool) error {
		if f.away.Load() || write && f.broken.Load() {
			return errDisk
		}
		return nil
	}
	return f
}

func TestStoreFailureClosesTheDoorUntilItWorks(t *testing.T) {
	core := newFaultyTower()
	core.broken.Store(true)
	s := start(t, core, Config{}, quick())
	address := s.Addr()
	body := newUser(t, teos.V2).add(appointment(1))

	failed := s.post("/add_appointment", body)
	failed.is(t, http.StatusServiceUnavailable, 7)
	if strings.Contains(failed.raw, "disk") {
		t.Fatalf("the answer shows our inside: %v", failed)
	}
	s.until("the door to close", func() bool { return s.Addr() == "" && refused(address) })
	if e := s.Entrances(); len(e) != 1 || e[0].Addr != "" || e[0].Bind != address || !errors.Is(e[0].Err, ErrStore) {
		t.Errorf("closed, it tells %+v", e)
	}
	if !strings.Contains(s.log.String(), "level=ERROR") {
		t.Fatalf("nothing said of it: %s", s.log)
	}

	core.broken.Store(false)
	s.until("the door to open", func() bool { return s.Addr() != "" })
	if s.Addr() != address {
		t.Fatalf("it listens on %s and no more on %s", s.Addr(), address)
	}
	s.post("/add_appointment", body).is(t, http.StatusOK, 0)
	if !strings.Contains(s.log.String(), "the store works again") {
		t.Fatalf("nothing said of it: %s", s.log)
	}
}

// Who is in when the door closes gets an answer: on a request that is with the
// core, and on a connection that sends its request only then.
func TestStoreFailureAnswersWhoIsIn(t *testing.T) {
	core := newFaultyTower()
	add, entered, release := core.add, make(chan struct{}, 1), make(chan struct{})
	core.add = func(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
		if r.Appointment().Locator == appointment(1).Locator {
			entered <- struct{}{}
			<-release
		}
		return add(ctx, r)
	}
	s := start(t, core, Config{}, quick())
	u := newUser(t, teos.V2)
	idle := s.dial()
	idle.write("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
	first, err := http.ReadResponse(newReader(idle), nil)
	if err != nil || first.StatusCode != http.StatusOK || first.Close {
		t.Fatalf("%+v, %v", first, err)
	}
	inFlight := s.later("/add_appointment", u.add(appointment(1)))
	receive(t, entered)

	core.broken.Store(true)
	s.post("/add_appointment", u.add(appointment(2))).is(t, http.StatusServiceUnavailable, 7)
	s.until("the door to close", func() bool { return s.Addr() == "" })

	close(release)
	receive(t, inFlight).is(t, http.StatusServiceUnavailable, 7)
	body := u.add(appointment(3))
	idle.write("POST /add_appointment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		len(body), body)
	response, err := http.ReadResponse(newReader(idle), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !response.Close {
		t.Error("the connection is kept alive")
	}
	readReply(t, response).is(t, http.StatusServiceUnavailable, 7)
}

func TestLoneFailureKeepsTheDoorOpen(t *testing.T) {
	failures := map[string]func(context.Context) error{
		"slow":        func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"unavailable": func(context.Context) error { return teos.Errorf(teos.Unavailable, "not now") },
		"internal":    func(context.Context) error { return teos.Errorf(teos.Internal, "oops") },
		"too many":    func(context.Context) error { return teos.Errorf(teos.TooMany, "slowly") },
		"overflow":    func(context.Context) error { return teos.Errorf(teos.RegistrationRefused, "full") },
		"panic":       func(context.Context) error { panic("a defect") },
		"unknown":     func(context.Context) error { return errDisk },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			var calls, probes atomic.Int32
			core := &fakeTower{
				add: func(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
					if calls.Add(1) == 1 {
						return tower.Acceptance{}, fail(ctx)
					}
					return tower.Acceptance{Locator: r.Appointment().Locator}, nil
				},
				ping: func(_ context.Context, write bool) error {
					if write {
						probes.Add(1)
					}
					return nil
				},
			}
			tm := quick()
			tm.core = 300 * time.Millisecond
			s := start(t, core, Config{}, tm)
			body := newUser(t, teos.V2).add(appointment(1))

			s.post("/add_appointment", body).is(t, http.StatusServiceUnavailable, 7)
			s.until("the probe", func() bool { return strings.Contains(s.log.String(), "though the store works") })
			s.post("/add_appointment", body).is(t, http.StatusOK, 0)
			s.stop()
			if n := strings.Count(s.log.String(), "the API listens"); n != 1 || probes.Load() != 1 {
				t.Fatalf("listened %d times, probed %d times", n, probes.Load())
			}
		})
	}
}

// What an appointment is told when it can't be stored makes a client of either
// dialect keep it.
func TestNotNowInEachDialect(t *testing.T) {
	v1, v2 := newUser(t, teos.V1), newUser(t, teos.V2)
	stranger, unlucky := newUser(t, teos.V2), newUser(t, teos.V2)
	core := &fakeTower{
		add: func(context.Context, inspector.AddAppointment) (tower.Acceptance, error) {
			return tower.Acceptance{}, errDisk
		},
		dialect: func(ctx context.Context, id teos.UserID) (teos.Dialect, error) {
			switch id {
			case v1.id():
				return teos.V1, nil
			case v2.id():
				return teos.V2, nil
			case unlucky.id():
				<-ctx.Done()
				return 0, ctx.Err()
			default:
				return 0, nil
			}
		},
	}
	cases := []struct {
		name         string
		user         user
		status, code int
	}{
		{"v1", v1, http.StatusServiceUnavailable, -96},
		{"v2", v2, http.StatusUnauthorized, 7},
		{"stranger", stranger, http.StatusServiceUnavailable, 7},
		{"dialect not found in time", unlucky, http.StatusServiceUnavailable, 7},
	}
	for _, codes := range []teos.Dialect{0, teos.V1, teos.V2} {
		tm := quick()
		tm.dialect = 20 * time.Millisecond
		s := start(t, core, Config{Codes: codes}, tm)
		for _, c := range cases {
			t.Run(codes.String()+"/"+c.name, func(t *testing.T) {
				s.post("/add_appointment", c.user.add(appointment(1))).is(t, c.status, c.code)
			})
		}
	}
}

func TestErrorNamesTheDialect(t *testing.T) {
	core := &fakeTower{add: func(context.Context, inspector.AddAppointment) (tower.Acceptance, error) {
		return tower.Acceptance{}, teos.Errorf(teos.Unavailable, "not now").In(teos.V1)
	}}
	s := start(t, core, Config{}, quick())
	s.post("/add_appointment", newUser(t, teos.V2).add(appointment(1))).is(t, http.StatusServiceUnavailable, -96)
}

func TestBusyPortIsTriedAgain(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	s := launch(t, &fakeTower{}, Config{Bind: busy.Addr().String()}, quick())
	s.until("a warning", func() bool {
		return strings.Contains(s.log.String(), "level=WARN") && strings.Contains(s.log.String(), "address already in use")
	})
	if s.Addr() != "" {
		t.Fatalf("it says to listen on %s", s.Addr())
	}
	busy.Close()
	s.until("the server to listen", func() bool { return s.Addr() == busy.Addr().String() })
}

func TestStopBeforeTheTowerIsReady(t *testing.T) {
	core := &fakeTower{ping: func(context.Context, bool) error { return errDisk }}
	s := launch(t, core, Config{}, standardTiming)
	s.until("word of it", func() bool { return strings.Contains(s.log.String(), "first block") })
	s.stop()
	if strings.Contains(s.log.String(), "the API listens") {
		t.Fatalf("it listened: %s", s.log)
	}
}

func TestStopWhileThePortIsBusy(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	s := launch(t, &fakeTower{}, Config{Bind: busy.Addr().String()}, standardTiming)
	s.until("a warning", func() bool { return strings.Contains(s.log.String(), "level=WARN") })
	s.stop()
}

func TestAddressThatIsNone(t *testing.T) {
	s := New(&fakeTower{}, inspector.New(inspector.Limits{}), Config{Bind: "localhost"})
	var wrong *net.AddrError
	if err := s.Run(t.Context()); !errors.As(err, &wrong) || wrong.Err != "missing port in address" {
		t.Fatalf("%v", err)
	}
}
