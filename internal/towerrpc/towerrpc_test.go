package towerrpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
	"vigil/internal/towerpb"
	"vigil/internal/towerrpc"
)

var alice = towertest.NewUser(1, teos.V2)

// scripted is a core that answers as a test tells it to.
type scripted struct {
	towerrpc.Core
	ready func(ctx context.Context, write bool) error
}

func (s *scripted) Ready(ctx context.Context, write bool) error { return s.ready(ctx, write) }

func (s *scripted) Ask(_ context.Context, method string, params []byte) ([]byte, error) {
	if method != "info" {
		return nil, teos.Errorf(teos.WrongType, "there is no method %q", method)
	}
	return append([]byte(`{"asked": `), append(params, '}')...), nil
}

func (s *scripted) AddAppointment(context.Context, inspector.AddAppointment) (tower.Acceptance, error) {
	return tower.Acceptance{}, errors.New("open /secret: denied")
}

// log collects what is logged.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// serve serves a core at a socket until the test ends.
func serve(t *testing.T, core towerrpc.Core, socket string) *log {
	t.Helper()
	out, _ := open(t, core, socket)
	return out
}

func open(t *testing.T, core towerrpc.Core, socket string) (*log, *towerrpc.Server) {
	t.Helper()
	l, err := towerrpc.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	out := new(log)
	s := towerrpc.NewServer(core, coreDesk(core), towertest.Check(), slog.New(slog.NewTextHandler(out, nil)))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Stop(ctx)
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return out, s
}

// socketPath returns a path that fits the kernel's limit.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vigil")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "core.sock")
}

func dial(t *testing.T, socket string) *towerrpc.Client {
	t.Helper()
	c, err := towerrpc.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func wantCause(t *testing.T, err error, want teos.Cause) {
	t.Helper()
	var e *teos.Error
	if !errors.As(err, &e) || e.Cause != want {
		t.Errorf("got %v (%+v), want cause %d", err, e, want)
	}
}

func TestErrorsCrossUnchanged(t *testing.T) {
	core := &scripted{}
	bothWays(t, core, func(t *testing.T, c *towerrpc.Client, _ *log) { errorsCross(t, core, c) })
}

func errorsCross(t *testing.T, core *scripted, c *towerrpc.Client) {
	for cause := teos.NotJSON; cause <= teos.WrongMethod; cause++ {
		for _, d := range []teos.Dialect{0, teos.V1, teos.V2} {
			want := teos.Errorf(cause, "text of %d: ünï \"quoted\"\n%%s", cause).In(d)
			core.ready = func(context.Context, bool) error { return fmt.Errorf("wrapped: %w", want) }
			err := c.Ping(soon(t), false)
			var got *teos.Error
			if !errors.As(err, &got) || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", err, want)
			}
		}
	}
}

func TestAnErrorWithoutACauseShowsNothingOfItself(t *testing.T) {
	dispute := chaintest.Dispute(1)
	request := alice.Add(t, alice.Appointment(dispute, chaintest.Penalty(dispute, 0)))
	bothWays(t, &scripted{}, func(t *testing.T, c *towerrpc.Client, logged *log) {
		_, err := c.AddAppointment(soon(t), request)
		wantCause(t, err, teos.Internal)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("shown: %v", err)
		}
		if !strings.Contains(logged.String(), "/secret") {
			t.Errorf("the operator learns nothing: %s", logged)
		}
	})
}

func TestInvariant8APanicEndsOneCallOnly(t *testing.T) {
	core := &scripted{}
	bothWays(t, core, func(t *testing.T, c *towerrpc.Client, logged *log) { panics(t, core, c, logged) })
}

func panics(t *testing.T, core *scripted, c *towerrpc.Client, logged *log) {
	core.ready = func(context.Context, bool) error { panic("secret " + strings.Repeat("x", 100_000)) }
	for range 3 {
		err := c.Ping(soon(t), false)
		wantCause(t, err, teos.Internal)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("shown: %.200v", err)
		}
	}
	if s := logged.String(); len(s) > 3*10_000 || !strings.Contains(s, "secret") {
		t.Errorf("%d bytes were logged: %.200s", len(s), s)
	}
	core.ready = func(context.Context, bool) error { return nil }
	if err := c.Ping(soon(t), true); err != nil {
		t.Error(err)
	}
}

func TestDeadlinesCross(t *testing.T) {
	seen := make(chan time.Time, 1)
	core := &scripted{ready: func(ctx context.Context, _ bool) error {
		deadline, ok := ctx.Deadline()
		if !ok {
			t.Error("a call without a deadline")
		}
		seen <- deadline
		<-ctx.Done()
		return ctx.Err()
	}}
	bothWays(t, core, func(t *testing.T, c *towerrpc.Client, _ *log) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		want, _ := ctx.Deadline()
		wantCause(t, c.Ping(ctx, false), teos.Unavailable)
		if got := <-seen; got.After(want.Add(time.Minute)) {
			t.Errorf("the core may take until %v, the client waits until %v", got, want)
		}
	})
}

func TestACallWithoutADeadlineGetsOne(t *testing.T) {
	core := &scripted{ready: func(ctx context.Context, _ bool) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("a call without a deadline")
		}
		return nil
	}}
	bothWays(t, core, func(t *testing.T, c *towerrpc.Client, _ *log) {
		if err := c.Ping(context.WithoutCancel(t.Context()), false); err != nil {
			t.Error(err)
		}
	})
}

func TestNoCoreIsUnavailableUntilThereIsOne(t *testing.T) {
	socket := socketPath(t)
	c := dial(t, socket)
	wantCause(t, c.Ping(soon(t), false), teos.Unavailable)
	serve(t, &scripted{ready: func(context.Context, bool) error { return nil }}, socket)
	ctx, tick := soon(t), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for c.Ping(ctx, false) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the client never found the core")
		}
	}
}

func TestOnlyThisUserReachesTheSocket(t *testing.T) {
	for name, dir := range map[string]string{
		"short": "d", "long": strings.Repeat("long/", 30) + "d", "longest": strings.Repeat(strings.Repeat("x", 200)+"/", 10),
		"odd": "sp ace%20ü?#",
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(filepath.Dir(socketPath(t)), dir, "core.sock")
			if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
				t.Fatal(err)
			}
			serve(t, &scripted{ready: func(context.Context, bool) error { return nil }}, socket)
			info, err := os.Stat(socket)
			if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
				t.Errorf("socket: %v, %v", info, err)
			}
			if err := dial(t, socket).Ping(soon(t), false); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	socket := socketPath(t)
	stale, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false) // as a kill leaves it
	stale.Close()
	serve(t, &scripted{ready: func(context.Context, bool) error { return nil }}, socket)
	if err := dial(t, socket).Ping(soon(t), false); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoSocketIsNotRemoved(t *testing.T) {
	file := socketPath(t)
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := towerrpc.Listen(file); err == nil {
		l.Close()
		t.Error("a file was replaced by a socket")
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

// The whole way, over a real tower.
func TestTheClientSeesWhatTheTowerSees(t *testing.T) {
	for _, way := range []string{"socket", "local"} {
		t.Run(way, func(t *testing.T) { wholeWay(t, way) })
	}
}

func wholeWay(t *testing.T, way string) {
	store := towertest.Open(t, towertest.File(t))
	terms := tower.Terms{Terms: gatekeeper.Terms{Slots: 100, Duration: 1000, Grace: 6}, RecentBlocks: 6}
	core := tower.New(towertest.Key(0), store, terms, towertest.Quiet())
	if err := core.Claim(t.Context(), "regtest"); err != nil {
		t.Fatal(err)
	}
	socket := socketPath(t)
	_, server := open(t, core, socket)
	c := server.Client()
	if way == "socket" {
		c = dial(t, socket)
	}
	wantCause(t, c.Ping(soon(t), true), teos.Unavailable)
	blocks := chaintest.New()
	must(t, core.Begin(t.Context(), blocks.MineEmpty(3)))
	must(t, c.Ping(soon(t), true))

	registered, err := c.Register(soon(t), alice.Register(t))
	must(t, err)
	if id, err := teos.Recover(registered.Message(teos.V2), registered.Signature); err != nil || id != core.ID() || registered.Expiry != 1003 {
		t.Errorf("registration %+v by %v, %v", registered, id, err)
	}
	for n := range uint32(2) {
		dispute := chaintest.Dispute(n)
		request := alice.Add(t, alice.Appointment(dispute, chaintest.Penalty(dispute, 0)))
		got, err := c.AddAppointment(soon(t), request)
		must(t, err)
		want, err := core.AddAppointment(t.Context(), request)
		must(t, err)
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	dispute := chaintest.Dispute(1)
	must(t, core.Connect(t.Context(), blocks.Mine(dispute)))
	watched := alice.Appointment(chaintest.Dispute(0), chaintest.Penalty(chaintest.Dispute(0), 0))
	got, err := c.GetAppointment(soon(t), alice.Get(t, watched.Locator))
	must(t, err)
	if got.Triggered || !reflect.DeepEqual(got.Appointment.Appointment, watched) {
		t.Errorf("watched: %+v", got)
	}
	got, err = c.GetAppointment(soon(t), alice.Get(t, teos.NewLocator(teos.V2, dispute.TxHash())))
	must(t, err)
	if !got.Triggered || got.Tracker.Dispute.ID != dispute.TxHash() || !bytes.Equal(got.Tracker.Penalty.Raw, chaintest.Bytes(chaintest.Penalty(dispute, 0))) {
		t.Errorf("triggered: %+v", got)
	}
	_, err = c.GetAppointment(soon(t), alice.Get(t, teos.Locator{1}))
	wantCause(t, err, teos.NotFound)
	subscription, err := c.GetSubscriptionInfo(soon(t), alice.Subscription(t))
	must(t, err)
	if want, err := core.GetSubscriptionInfo(t.Context(), alice.Subscription(t)); err != nil || !reflect.DeepEqual(subscription, want) {
		t.Errorf("got %+v, want %+v, %v", subscription, want, err)
	}
	deleted, err := c.DeleteAppointment(soon(t), alice.Delete(t, watched.Locator))
	must(t, err)
	if want := (tower.Deletion{Locator: watched.Locator, Slots: subscription.Slots + teos.Slots(len(watched.EncryptedBlob)), Expiry: subscription.Expiry}); deleted != want {
		t.Errorf("deleted: %+v, want %+v", deleted, want)
	}
	for n, want := range map[byte]teos.Dialect{1: teos.V2, 2: 0} {
		if d, err := c.Dialect(soon(t), towertest.NewUser(n, 0).ID()); err != nil || d != want {
			t.Errorf("dialect %v, %v, want %v", d, err, want)
		}
	}
}

func TestTheOperatorsQuestionsCross(t *testing.T) {
	bothWays(t, &scripted{}, func(t *testing.T, c *towerrpc.Client, _ *log) {
		got, err := c.Ask(soon(t), "info", []byte(`{"a":"b"}`))
		if want := `{"asked": {"a":"b"}}`; err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
		_, err = c.Ask(soon(t), "other", nil)
		wantCause(t, err, teos.WrongType)
	})
}

// A full disk may have room again in a minute: it is no defect of ours.
func TestAStoreThatFailsIsUnavailable(t *testing.T) {
	core := &scripted{ready: func(context.Context, bool) error {
		return fmt.Errorf("commit: %w: disk is full, /secret", tower.ErrStore)
	}}
	bothWays(t, core, func(t *testing.T, c *towerrpc.Client, _ *log) {
		err := c.Ping(soon(t), true)
		wantCause(t, err, teos.Unavailable)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("shown: %v", err)
		}
	})
}

// Whoever is at the other end of the socket need not be our client.
func TestTheServerInspectsAgain(t *testing.T) {
	socket := socketPath(t)
	serve(t, &scripted{}, socket)
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	defer conn.Close()
	users := towerpb.NewTowerServiceClient(conn)
	for name, call := range map[string]func(ctx context.Context) error{
		"register nobody": func(ctx context.Context) error {
			_, err := users.Register(ctx, &towerpb.RegisterRequest{})
			return err
		},
		"no appointment": func(ctx context.Context) error {
			_, err := users.AddAppointment(ctx, &towerpb.AddAppointmentRequest{Signature: make([]byte, 65)})
			return err
		},
		"short signature": func(ctx context.Context) error {
			_, err := users.GetSubscriptionInfo(ctx, &towerpb.GetSubscriptionInfoRequest{Signature: []byte{1}})
			return err
		},
		"long locator": func(ctx context.Context) error {
			_, err := users.GetAppointment(ctx, &towerpb.GetAppointmentRequest{Locator: make([]byte, 17), Signature: make([]byte, 65)})
			return err
		},
		"dialect of no key": func(ctx context.Context) error {
			_, err := users.GetDialect(ctx, &towerpb.GetDialectRequest{UserId: make([]byte, 33)})
			return err
		},
	} {
		if err := call(soon(t)); err == nil || strings.Contains(err.Error(), "Internal") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
