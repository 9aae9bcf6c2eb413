package towerapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

const (
	minDelay = 20
	maxBlob  = 4096
)

// fakeTower is a core whose faults the test chooses: a nil function succeeds.
type fakeTower struct {
	add     func(context.Context, inspector.AddAppointment) (tower.Acceptance, error)
	info    func(context.Context) (tower.Subscription, error)
	page    func(after int64) (tower.Subscription, error)
	ping    func(ctx context.Context, write bool) error
	dialect func(context.Context, teos.UserID) (teos.Dialect, error)
}

func (f *fakeTower) Register(_ context.Context, r inspector.Register) (tower.Registration, error) {
	return tower.Registration{RegistrationReceipt: teos.RegistrationReceipt{User: r.User()}}, nil
}

func (f *fakeTower) AddAppointment(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
	if f.add != nil {
		return f.add(ctx, r)
	}
	return tower.Acceptance{Locator: r.Appointment().Locator}, nil
}

func (f *fakeTower) GetAppointment(context.Context, inspector.GetAppointment) (tower.Watched, error) {
	return tower.Watched{}, nil
}

func (f *fakeTower) DeleteAppointment(context.Context, inspector.DeleteAppointment) (tower.Deletion, error) {
	return tower.Deletion{}, nil
}

func (f *fakeTower) GetSubscriptionInfo(ctx context.Context, r inspector.GetSubscriptionInfo) (tower.Subscription, error) {
	if f.page != nil {
		return f.page(r.After())
	}
	if f.info != nil {
		return f.info(ctx)
	}
	return tower.Subscription{}, nil
}

func (f *fakeTower) Dialect(ctx context.Context, user teos.UserID) (teos.Dialect, error) {
	if f.dialect != nil {
		return f.dialect(ctx, user)
	}
	return 0, nil
}

func (f *fakeTower) Ping(ctx context.Context, write bool) error {
	if f.ping != nil {
		return f.ping(ctx, write)
	}
	return nil
}

// logBuffer collects what was logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// running is a server at work.
type running struct {
	*Server
	t    *testing.T
	url  string
	log  *logBuffer
	stop func() // ends Run and waits for it
}

// quick is the standard timing with short waits between tries.
func quick() timing {
	tm := standardTiming
	tm.retry, tm.first, tm.maxRetry, tm.drain = 5*time.Millisecond, 5*time.Millisecond, 20*time.Millisecond, patience
	return tm
}

// start serves until the test ends.
func start(t *testing.T, core Tower, c Config, tm timing, prepare ...func(*Server)) *running {
	t.Helper()
	r := launch(t, core, c, tm, prepare...)
	r.awaitAddr()
	return r
}

func (r *running) awaitAddr() {
	r.t.Helper()
	r.until("the server to listen", func() bool { return r.Addr() != "" })
	r.url = "http://" + r.Addr()
}

// launch does not wait until the server listens.
func launch(t *testing.T, core Tower, c Config, tm timing, prepare ...func(*Server)) *running {
	t.Helper()
	r := &running{t: t, log: new(logBuffer)}
	if c.Bind == "" {
		c.Bind = "127.0.0.1:0"
	}
	c.Log = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	check := inspector.New(inspector.Limits{MinToSelfDelay: minDelay, MaxBlobSize: maxBlob})
	r.Server = newServer(core, check, c, tm)
	for _, f := range prepare {
		f(r.Server)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := receive(t, ended); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func receive[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("waited in vain")
	}
	return v
}

func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (r *running) until(what string, cond func() bool) {
	r.t.Helper()
	until(r.t, what, cond)
}

// reply is an answer as a client reads it. Status and code are 0 where the
// connection failed.
type reply struct {
	status int
	header http.Header
	raw    string
	fields struct {
		Error   string
		Code    int `json:"error_code"`
		Locator string
		Status  string
	}
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.raw) }

// is demands a status and an error_code; 0 is none.
func (r reply) is(t *testing.T, status, code int) {
	t.Helper()
	if r.status != status || r.fields.Code != code {
		t.Fatalf("got %v instead of status %d with error_code %d", r, status, code)
	}
	if code != 0 && (r.fields.Error == "" || r.header.Get("Content-Type") != "application/json") {
		t.Fatalf("no error of ours: %v, %v", r, r.header)
	}
}

func readReply(t *testing.T, response *http.Response) reply {
	t.Helper()
	raw, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		t.Errorf("read the answer: %v", err)
	}
	r := reply{status: response.StatusCode, header: response.Header, raw: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &r.fields); err != nil {
			t.Errorf("the answer is no JSON: %v: %.200q", err, raw)
		}
	}
	return r
}

func (r *running) send(method, path, contentType, body string) reply {
	r.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		r.t.Errorf("%s %s: %v", method, path, err)
		return reply{}
	}
	return readReply(r.t, response)
}

func (r *running) post(path, body string) reply {
	r.t.Helper()
	return r.send(http.MethodPost, path, "application/json", body)
}

// later posts from another goroutine.
func (r *running) later(path, body string) <-chan reply {
	answer := make(chan reply, 1)
	go func() { answer <- r.post(path, body) }()
	return answer
}

// refused tells whether connections are refused.
func refused(address string) bool {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return true
	}
	c.Close()
	return false
}

// wire is a connection to write bytes on.
type wire struct {
	net.Conn
	t *testing.T
}

func (r *running) dial() wire {
	r.t.Helper()
	return r.dialFrom("127.0.0.1")
}

// dialFrom dials from one of the machine's own addresses.
func (r *running) dialFrom(address string) wire {
	r.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	c, err := dialer.Dial("tcp", r.Addr())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return wire{c, r.t}
}

func (w wire) write(format string, args ...any) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		w.t.Fatal(err)
	}
}

// user is a client of the tower.
type user struct {
	key     *btcec.PrivateKey
	dialect teos.Dialect
}

func newUser(t testing.TB, d teos.Dialect) user {
	t.Helper()
	key, err := btcec.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return user{key, d}
}

func (u user) id() teos.UserID { return teos.NewUserID(u.key.PubKey()) }

func (u user) keyField() string {
	if u.dialect == teos.V1 {
		return "public_key"
	}
	return "user_id"
}

func (u user) register() string { return fmt.Sprintf(`{%q:%q}`, u.keyField(), u.id()) }

func (u user) add(a teos.Appointment) string {
	return fmt.Sprintf(`{"appointment":{"locator":%q,"encrypted_blob":%q,"to_self_delay":%d},"signature":%q}`,
		a.Locator, hex.EncodeToString(a.EncryptedBlob), a.ToSelfDelay, teos.Sign(u.key, a.Message()))
}

func (u user) get(l teos.Locator) string {
	return fmt.Sprintf(`{"locator":%q,"signature":%q}`, l, teos.Sign(u.key, teos.GetAppointmentMessage(l.String())))
}

func (u user) remove(l teos.Locator) string {
	return fmt.Sprintf(`{"locator":%q,"signature":%q}`, l, teos.Sign(u.key, teos.DeleteAppointmentMessage(l.String())))
}

func (u user) info() string {
	return fmt.Sprintf(`{"signature":%q}`, teos.Sign(u.key, teos.SubscriptionInfoMessage()))
}

// appointment returns one that no transaction triggers.
func appointment(n byte) teos.Appointment {
	return teos.Appointment{
		Locator: teos.Locator{0: 0xab, 1: 0xcd, 15: n}, ToSelfDelay: minDelay,
		EncryptedBlob: bytes.Repeat([]byte{n}, teos.MinBlobSize),
	}
}
