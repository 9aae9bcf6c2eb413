package towerapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
)

// gate holds requests in the core until it opens.
type gate struct{ entered, open chan struct{} }

func newGate() gate { return gate{make(chan struct{}, 64), make(chan struct{})} }

func (g gate) pass(ctx context.Context) error {
	g.entered <- struct{}{}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestQueriesWaitAndThenAreTooMany(t *testing.T) {
	g := newGate()
	core := &fakeTower{info: func(ctx context.Context) (tower.Subscription, error) {
		return tower.Subscription{}, g.pass(ctx)
	}}
	tm := quick()
	tm.queue = 20 * time.Millisecond
	s := start(t, core, Config{MaxAppointments: 1, MaxRequests: 1}, tm)
	u := newUser(t, teos.V2)
	held := s.later("/get_subscription_info", u.info())
	receive(t, g.entered)

	for path, body := range map[string]string{
		"/register":              u.register(),
		"/get_appointment":       u.get(appointment(1).Locator),
		"/get_subscription_info": u.info(),
	} {
		r := s.post(path, body)
		r.is(t, http.StatusTooManyRequests, 32)
		if r.header.Get("Retry-After") != "5" {
			t.Errorf("%s: Retry-After is %q", path, r.header.Get("Retry-After"))
		}
	}
	s.send(http.MethodGet, "/ping", "", "").is(t, http.StatusTooManyRequests, 32)
	s.post("/add_appointment", u.add(appointment(1))).is(t, http.StatusOK, 0) // has turns of its own

	close(g.open)
	receive(t, held).is(t, http.StatusOK, 0)
	s.post("/register", u.register()).is(t, http.StatusOK, 0)
}

func TestQueryGetsItsTurn(t *testing.T) {
	g := newGate()
	core := &fakeTower{info: func(ctx context.Context) (tower.Subscription, error) {
		return tower.Subscription{}, g.pass(ctx)
	}}
	tm := quick()
	tm.queue = patience
	s := start(t, core, Config{MaxAppointments: 1, MaxRequests: 1}, tm)
	u := newUser(t, teos.V2)
	held := s.later("/get_subscription_info", u.info())
	receive(t, g.entered)
	waiting := s.later("/register", u.register())
	close(g.open)
	receive(t, held).is(t, http.StatusOK, 0)
	receive(t, waiting).is(t, http.StatusOK, 0)
}

func TestAppointmentsAreNeverTooMany(t *testing.T) {
	g := newGate()
	core := &fakeTower{add: func(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
		return tower.Acceptance{Locator: r.Appointment().Locator}, g.pass(ctx)
	}}
	tm := quick()
	tm.core = patience
	s := start(t, core, Config{MaxAppointments: 2, MaxRequests: 2}, tm)
	u := newUser(t, teos.V2)
	var answers []<-chan reply
	for n := range byte(10) {
		answers = append(answers, s.later("/add_appointment", u.add(appointment(n))))
	}
	receive(t, g.entered)
	receive(t, g.entered)
	s.post("/register", u.register()).is(t, http.StatusOK, 0) // nor do they hold up the rest
	if len(g.entered) != 0 {
		t.Fatal("more than two are with the core")
	}
	close(g.open)
	for _, a := range answers {
		receive(t, a).is(t, http.StatusOK, 0)
	}
}

func TestAppointmentWhoseTurnDoesNotCome(t *testing.T) {
	core := &fakeTower{add: func(ctx context.Context, _ inspector.AddAppointment) (tower.Acceptance, error) {
		<-ctx.Done()
		return tower.Acceptance{}, ctx.Err()
	}}
	tm := quick()
	tm.core = 300 * time.Millisecond
	s := start(t, core, Config{MaxAppointments: 1, MaxRequests: 1}, tm)
	u := newUser(t, teos.V2)
	var answers []<-chan reply
	for n := range byte(5) {
		answers = append(answers, s.later("/add_appointment", u.add(appointment(n))))
	}
	for _, a := range answers {
		receive(t, a).is(t, http.StatusServiceUnavailable, 7)
	}
}

func TestCoreThatHangs(t *testing.T) {
	core := &fakeTower{info: func(ctx context.Context) (tower.Subscription, error) {
		<-ctx.Done()
		return tower.Subscription{}, teos.Errorf(teos.Unavailable, "the tower does not answer now")
	}}
	tm := quick()
	tm.core = 20 * time.Millisecond
	s := start(t, core, Config{}, tm)
	s.post("/get_subscription_info", newUser(t, teos.V2).info()).is(t, http.StatusServiceUnavailable, 32)
}

func TestPanicOfAQuery(t *testing.T) {
	core := &fakeTower{info: func(context.Context) (tower.Subscription, error) {
		panic(strings.Repeat("a defect ", 10000))
	}}
	s := start(t, core, Config{}, quick())
	u := newUser(t, teos.V2)
	s.post("/get_subscription_info", u.info()).is(t, http.StatusInternalServerError, 255)
	s.post("/register", u.register()).is(t, http.StatusOK, 0)
	if got := s.log.String(); !strings.Contains(got, "a defect") || !strings.Contains(got, "load_test.go") || len(got) > 10000 {
		t.Fatalf("%d bytes logged: %.5000s", len(got), got)
	}
}

// A panic where nothing can recover it but net/http still leaves an answer.
func TestPanicBeyondTheCore(t *testing.T) {
	core := &fakeTower{
		add: func(context.Context, inspector.AddAppointment) (tower.Acceptance, error) {
			return tower.Acceptance{}, errDisk
		},
		dialect: func(context.Context, teos.UserID) (teos.Dialect, error) { panic("a defect") },
	}
	s := start(t, core, Config{}, quick())
	s.post("/add_appointment", newUser(t, teos.V2).add(appointment(1))).is(t, http.StatusServiceUnavailable, 7)
}

func TestConnectionsAreCapped(t *testing.T) {
	tm := quick()
	tm.stay = patience
	s := start(t, &fakeTower{}, Config{MaxConnections: 1}, tm)
	first := s.dial()
	first.write("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
	if r, err := http.ReadResponse(newReader(first), nil); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", r, err)
	}
	second := s.later("/register", newUser(t, teos.V2).register())
	first.write("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
	if r, err := http.ReadResponse(newReader(first), nil); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(second) != 0 {
		t.Fatal("a second connection was served")
	}
	first.Close()
	receive(t, second).is(t, http.StatusOK, 0)
}

func TestStopAtTheCap(t *testing.T) {
	s := start(t, &fakeTower{}, Config{MaxConnections: 1}, quick())
	first := s.dial()
	first.write("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
	if r, err := http.ReadResponse(newReader(first), nil); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", r, err)
	}
	s.stop()
	if rest, err := io.ReadAll(first); err != nil || len(rest) != 0 {
		t.Fatalf("%q, %v", rest, err)
	}
}

func TestStopWaitsForTheRequestInFlight(t *testing.T) {
	g := newGate()
	core := &fakeTower{add: func(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
		return tower.Acceptance{Locator: r.Appointment().Locator}, g.pass(ctx)
	}}
	tm := quick()
	tm.core = patience
	s := start(t, core, Config{}, tm)
	address := s.Addr()
	inFlight := s.later("/add_appointment", newUser(t, teos.V2).add(appointment(1)))
	receive(t, g.entered)
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.stop() }()
	s.until("the door to close", func() bool { return s.Addr() == "" && refused(address) })
	select {
	case <-stopped:
		t.Fatal("it stopped over a request")
	default:
	}
	close(g.open)
	receive(t, inFlight).is(t, http.StatusOK, 0)
	receive(t, stopped)
}

// A client whose request was on its way when the server stopped keeps what it
// wanted to hand in.
func TestStopAnswersHalfARequest(t *testing.T) {
	tm := quick()
	tm.drain = 300 * time.Millisecond
	s := start(t, &fakeTower{}, Config{}, tm)
	w := s.dial()
	w.write("POST /add_appointment HTTP/1.1\r\nHost: x\r\n")
	s.until("the connection to be in", func() bool { return len(s.slots) == 1 })
	s.stop()
	w.reply().is(t, http.StatusServiceUnavailable, 7)
}
