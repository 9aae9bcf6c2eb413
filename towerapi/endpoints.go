package towerapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"vigil/internal/teos"
)

const (
	jsonType = "application/json"

	// maxQuery bounds the body of a request without an appointment, and
	// what an appointment's body has beside its blob, in bytes.
	maxQuery = 4 << 10

	// maxStack is how much of a panic's stack is logged, in bytes.
	maxStack = 4096

	infoPath = "/get_subscription_info"

	// retryAfter is what a client is told that comes too often, in seconds.
	retryAfter = "5"
)

// endpoint is one path of the API.
type endpoint struct {
	method  string
	maxBody int64
	// turns bounds how many requests are with the core; queue is how long
	// one waits for its turn.
	turns turns
	queue time.Duration
	// registers says that the path is limited as registrations are; patient
	// that it is slowed down, and never refused, by who failed before.
	registers, patient bool
	// large bounds how many answers there are at once, until they are out,
	// where answers may be large and clients slow to read them.
	large turns
	// call serves a body; refuse tells why it failed.
	call   func(ctx context.Context, body []byte) (any, error)
	refuse func(ctx context.Context, body []byte, err error) answer
}

// answer is what leaves: a body of bodies.go or a *listing, or none.
type answer struct {
	status int
	body   any
	// method is the endpoint's name, came when the request had arrived, why the
	// reason of a refusal.
	method string
	came   time.Time
	why    error
}

// routes returns the endpoints. Appointments have turns of their own, so that
// nothing else can hold them up.
func (s *Server) routes(appointments, most int) map[string]endpoint {
	add := endpoint{
		method: http.MethodPost, maxBody: maxQuery + 2*int64(s.check.MaxBlobSize()),
		turns: make(turns, appointments), queue: s.timing.core,
		call: method(s.check.AddAppointment, s.tower.AddAppointment, NewAccepted), refuse: s.refuseAppointment,
		patient: true,
	}
	query := endpoint{
		method: http.MethodPost, maxBody: maxQuery,
		turns: make(turns, most), queue: s.timing.queue, refuse: s.refuse,
	}
	register, get, remove, info, ping := query, query, query, query, query
	register.call, register.registers = s.register, true
	get.call = method(s.check.GetAppointment, s.tower.GetAppointment, NewFound)
	get.refuse = s.refuseFound
	get.large = make(turns, most)
	remove.call = method(s.check.DeleteAppointment, s.tower.DeleteAppointment, NewDeleted)
	remove.refuse = s.refuseFound
	info.call, info.large = s.subscriptionInfo, make(turns, max(1, most/8))
	ping.method, ping.call = http.MethodGet, s.ping
	return map[string]endpoint{
		"/add_appointment": add, "/register": register, "/get_appointment": get,
		"/delete_appointment": remove,
		infoPath:              info, "/ping": ping,
	}
}

// register hands in a registration with what is known of its client.
func (s *Server) register(ctx context.Context, body []byte) (any, error) {
	r, err := s.check.Register(body)
	if err != nil {
		return nil, err
	}
	v := visitorOf(ctx)
	out, err := s.tower.Register(ctx, r.From(string(v.token), v.address()))
	if err != nil {
		return nil, err
	}
	return NewRegistered(out), nil
}

// method is a call of the core: inspect the body, ask, answer.
func method[Q, R, B any](
	inspect func([]byte) (Q, error), ask func(context.Context, Q) (R, error), body func(R) B,
) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, raw []byte) (any, error) {
		q, err := inspect(raw)
		if err != nil {
			return nil, err
		}
		r, err := ask(ctx, q)
		if err != nil {
			return nil, err
		}
		return body(r), nil
	}
}

func (s *Server) ping(ctx context.Context, _ []byte) (any, error) {
	if s.tower.Ping(ctx, false) != nil {
		return nil, teos.Errorf(teos.Unavailable, "the tower takes no appointments now")
	}
	return nil, nil
}

// handle serves every request, whatever its path. While the server does not
// listen, connections that were let in before end with their next answer.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	a, done := s.route(w, r)
	defer done()
	s.tell(a, began)
	c := connOf(r)
	c.enter(answering)
	if s.Addr() == "" || c.isLeaving() {
		w.Header().Set("Connection", "close")
	}
	if l, ok := a.body.(*listing); ok {
		s.writeListing(r.Context(), w, l)
	} else {
		s.write(w, a)
	}
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		s.log.Debug("request", "path", cut(r.URL.Path, maxLogged), "status", a.status, "client", s.client(r))
	}
}

// route returns the answer, and what is to be called once it is out.
func (s *Server) route(w http.ResponseWriter, r *http.Request) (a answer, done func()) {
	ctx, done := r.Context(), func() {}
	v, path := s.visit(r)
	e, ok := s.endpoints[path]
	if !ok {
		return refuseFor(ctx, s.refuse, nil, teos.Errorf(teos.NoEndpoint, "this API has no such path")), done
	}
	if r.Method != e.method && (e.method != http.MethodGet || r.Method != http.MethodHead) {
		w.Header().Set("Allow", e.allow())
		return refuseFor(ctx, s.refuse, nil, teos.Errorf(teos.WrongMethod, "this path takes %s only", e.method)), done
	}
	a, done = s.answer(w, r, e, v)
	a.method = path[1:]
	return a, done
}

func (e endpoint) allow() string {
	if e.method == http.MethodGet {
		return "GET, HEAD"
	}
	return e.method
}

// answer serves a request of an endpoint. What arrived whole is served whether
// or not its client waits: one that closes its half of the connection after
// the request is not gone.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, e endpoint, v visitor) (a answer, done func()) {
	var came time.Time
	defer func() { a.came = came }()
	ctx, done := withVisitor(context.WithoutCancel(r.Context()), v), func() {}
	var body []byte
	if e.method == http.MethodPost {
		var err error
		if body, err = read(w, r, e.maxBody); err != nil {
			return refuseFor(ctx, e.refuse, body, err), done
		}
	}
	came = time.Now()
	connOf(r).enter(serving)
	coreCtx, cancel := context.WithTimeout(ctx, s.timing.core)
	defer cancel()
	home := s.measured(v.addr)
	if !s.mayGoOn(coreCtx, e, home) {
		return refuseFor(ctx, e.refuse, body, ErrThrottled), done
	}
	if !e.large.take(coreCtx, e.queue) {
		return refuseFor(ctx, e.refuse, body, errTooMany), done
	}
	if !e.turns.take(coreCtx, e.queue) {
		return refuseFor(ctx, e.refuse, body, errTooMany), e.large.giveBack
	}
	defer e.turns.giveBack()
	result, err := s.guard(coreCtx, e, body)
	if err != nil {
		if teos.AsError(err).Cause == teos.AuthenticationFailed {
			s.failures.owe(home)
		}
		return refuseFor(ctx, e.refuse, body, err), e.large.giveBack
	}
	return answer{status: http.StatusOK, body: result}, e.large.giveBack
}

// refuseFor refuses, and keeps the reason.
func refuseFor(ctx context.Context, refuse func(context.Context, []byte, error) answer, body []byte, why error) answer {
	a := refuse(ctx, body, why)
	a.why = why
	return a
}

// turns bounds how many do something at once; nil does not.
type turns chan struct{}

func (t turns) take(ctx context.Context, queue time.Duration) bool {
	if t == nil {
		return true
	}
	select {
	case t <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, queue)
	defer cancel()
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t turns) giveBack() {
	if t != nil {
		<-t
	}
}

// guard lets no panic beyond one request.
func (s *Server) guard(ctx context.Context, e endpoint, body []byte) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("a defect of ours stopped a request", "panic", cut(fmt.Sprint(r), maxLogged), "stack", cut(string(debug.Stack()), maxStack))
			err = errPanic
		}
	}()
	return e.call(ctx, body)
}

var errPanic = errors.New("a defect of ours stopped a request")

var errTooMany = teos.Errorf(teos.TooMany, "too many requests at once: try again in %s seconds", retryAfter)

// ErrThrottled is why a request is not served whose address asks or fails too often.
var ErrThrottled = teos.Errorf(teos.TooMany, "too many requests at once: try again in %s seconds", retryAfter)

// errNotArrived is a request that broke off. It is never the client's last
// word, so it has no final cause.
var errNotArrived = teos.Errorf(teos.Unavailable, "the request did not arrive whole: send it again")

// read returns the body of a request, at most limit bytes of it.
func read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, teos.Errorf(teos.NotJSON, "the Content-Type is not %s", jsonType)
	}
	if r.ContentLength > limit && r.Header.Get("Expect") != "" {
		return nil, tooLarge(limit) // others send it anyway, and must be let to
	}
	// As large as it will be: io.ReadAll needs several times that.
	body := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), limit)+bytes.MinRead))
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, errNotArrived
	}
	return body.Bytes(), nil
}

func tooLarge(limit int64) error {
	return teos.Errorf(teos.TooLarge, "the request is larger than %d bytes", limit)
}

// isJSON takes application/json and application/*+json, in either case and
// with any parameters.
func isJSON(contentType string) bool {
	if contentType == jsonType {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	return media == jsonType || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
}

// write sends an answer.
func (s *Server) write(w http.ResponseWriter, a answer) {
	var body []byte
	if a.body != nil {
		var err error
		if body, err = json.Marshal(a.body); err != nil {
			panic(err) // the types of bodies.go have no value that fails
		}
		w.Header().Set("Content-Type", jsonType)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if a.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // the client may be gone
}
