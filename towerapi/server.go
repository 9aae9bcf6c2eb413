// Package towerapi is the tower's public HTTP API, in JSON, for clients of
// both dialects (docs/protocol.md). It bounds every request before it reads
// it, hands the inspected ones to the tower core, and is the one place where
// a failure becomes an HTTP answer.
//
// Clients in the field lose what they wanted to hand in over most answers
// that are no success. So an appointment that can't be stored now is answered
// with what makes its client keep it, no connection on which a request began
// is closed without an answer, and while the store fails nobody is let in.
package towerapi

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
	"unicode/utf8"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
)

// Tower is the core as this door needs it. Errors that a client may see are
// *teos.Error; any other is a defect and shows nothing of itself. Methods are
// called concurrently and return soon after ctx ends.
type Tower interface {
	Register(ctx context.Context, r inspector.Register) (tower.Registration, error)
	AddAppointment(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error)
	GetAppointment(ctx context.Context, r inspector.GetAppointment) (tower.Watched, error)
	DeleteAppointment(ctx context.Context, r inspector.DeleteAppointment) (tower.Deletion, error)
	GetSubscriptionInfo(ctx context.Context, r inspector.GetSubscriptionInfo) (tower.Subscription, error)
	// Dialect returns the dialect of a user, unknown if there is no such user.
	Dialect(ctx context.Context, user teos.UserID) (teos.Dialect, error)
	// Ping fails until appointments are accepted. With write set it succeeds
	// only if the store commits.
	Ping(ctx context.Context, write bool) error
}

// Config is how to serve. A number that is 0 stands for its default.
type Config struct {
	// Bind is the TCP address to listen on, host:port. Port 0 takes any
	// free one, and keeps it.
	Bind string
	// TLS is where the same API is served over TLS, too; nil for nowhere.
	TLS *TLS
	// Codes is the dialect of errors where no user is known; v2 if not set.
	Codes teos.Dialect
	// TrustedProxies are the peers whose word about the client's address is
	// taken.
	TrustedProxies []netip.Prefix
	// Onion says that Tor's users come from this machine's own address: it is
	// limited as others are then, by twenty times as much.
	Onion bool
	// MaxAppointments is how many appointments the core is asked to take at
	// once: those that wait together share a commit.
	MaxAppointments int
	// MaxRequests is how many other requests are with the core at once.
	MaxRequests int
	// MaxConnections is how many connections are served at once. The next
	// one gets the place of another: see crowd.
	MaxConnections int
	// MaxConnectionsPerAddress is how many of them one address may have; an
	// IPv6 address counts for its /64. The next one is answered with what
	// makes its client keep an appointment and come again, and closed. Not
	// counted are loopback, where Tor comes from, and TrustedProxies.
	MaxConnectionsPerAddress int
	// Served is called with each request that was answered; nil for nobody. It
	// must not block.
	Served func(Served)
	Log    *slog.Logger
}

const (
	defaultMaxAppointments          = 128
	defaultMaxRequests              = 32
	defaultMaxConnections           = 512
	defaultMaxConnectionsPerAddress = 32
)

// timing is every time that the server waits for.
type timing struct {
	// header and read bound the arrival of a request's head and of all of
	// it, write that of the answer after the head came, and idle is how
	// long a connection may do nothing between two requests.
	header, read, write, idle time.Duration
	// page is by how much longer an answer may take for each page of it.
	page time.Duration
	// core bounds what the core takes, and dialect the question for a
	// user's dialect after it failed: together they stay under the 5 s in
	// which an appointment must be answered.
	core, dialect time.Duration
	// queue is how long a request other than an appointment waits for its
	// turn.
	queue time.Duration
	// probe bounds a probe of the store, and retry is the time between two; first is
	// that before the tower's first block.
	probe, retry, first time.Duration
	// maxRetry is where the growing time between two tries to listen ends.
	maxRetry time.Duration
	// stay is how long everybody who was let in may stay, and how long a
	// client may take to read an answer, though others want the place.
	stay time.Duration
	// drain is how long requests may take to end when the server stops.
	drain time.Duration
}

var standardTiming = timing{
	header: 5 * time.Second, read: 20 * time.Second, write: 40 * time.Second, idle: 20 * time.Second,
	page: 1500 * time.Millisecond,
	core: 4500 * time.Millisecond, dialect: 400 * time.Millisecond,
	queue: 2 * time.Second,
	probe: 2 * time.Second, retry: time.Second, first: 100 * time.Millisecond, maxRetry: 30 * time.Second,
	stay:  200 * time.Millisecond,
	drain: 5 * time.Second,
}

// maxHeader bounds the head of a request in bytes; net/http adds 4096.
const maxHeader = 8 << 10

// Server is the API. Run does its work.
type Server struct {
	tower   Tower
	check   *inspector.Inspector
	codes   teos.Dialect
	proxies []netip.Prefix
	served  func(Served)
	log     *slog.Logger
	timing  timing

	endpoints map[string]endpoint
	http      *http.Server
	slots     chan struct{} // one for each open connection
	peers     *peers
	crowd     *crowd
	onion     bool
	// registrations and failures slow down who asks too often.
	registrations, failures *throttle
	away                    chan struct{} // one for each connection that is turned away
	conns                   sync.WaitGroup
	suspects                chan error // why the store may be failing; see storage.go

	plain  *entrance
	secure *entrance // nil where there is none

	mu     sync.Mutex
	closed error // why nobody is let in; nil while the entrances are open
}

// New returns a Server.
func New(t Tower, check *inspector.Inspector, c Config) *Server {
	return newServer(t, check, c, standardTiming)
}

func newServer(t Tower, check *inspector.Inspector, c Config, tm timing) *Server {
	s := &Server{
		tower: t, check: check, codes: c.Codes.Or(teos.V2), proxies: c.TrustedProxies,
		log: c.Log, timing: tm, plain: &entrance{bind: c.Bind}, served: c.Served,
		slots:         make(chan struct{}, cmp.Or(c.MaxConnections, defaultMaxConnections)),
		away:          make(chan struct{}, maxTurnedAway),
		suspects:      make(chan error, 1),
		onion:         c.Onion,
		registrations: newThrottle(registrationsAtOnce),
		failures:      newThrottle(failuresAtOnce),
		crowd:         newCrowd(tm.stay),
		closed:        ErrWaiting,
	}
	if c.TLS != nil {
		s.secure = &entrance{bind: c.TLS.Bind, certificates: c.TLS.Certificates, tls: tlsConfig(c.TLS.Certificates)}
	}
	s.peers = newPeers(cmp.Or(c.MaxConnectionsPerAddress, defaultMaxConnectionsPerAddress), s.exempt)
	s.endpoints = s.routes(cmp.Or(c.MaxAppointments, defaultMaxAppointments), cmp.Or(c.MaxRequests, defaultMaxRequests))
	s.http = &http.Server{
		Handler:                      http.HandlerFunc(s.handle),
		DisableGeneralOptionsHandler: true, // its answer is no JSON
		ReadHeaderTimeout:            tm.header,
		ReadTimeout:                  tm.read,
		WriteTimeout:                 tm.write,
		IdleTimeout:                  tm.idle,
		MaxHeaderBytes:               maxHeader,
		ConnState:                    s.count,
		ConnContext:                  withConn,
		ErrorLog:                     log.New(httpLog{c.Log}, "", 0),
	}
	return s
}

// count lets Run wait for every connection's goroutine, and notes when one has
// nothing to do.
func (s *Server) count(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateIdle:
		c.(*conn).enter(waiting)
	case http.StateClosed:
		s.conns.Done()
	default:
	}
}

// Addr returns the address that the server listens on now, "" while it does
// not.
func (s *Server) Addr() string { return s.plain.Addr() }

// TLSAddr is Addr of the listener with TLS.
func (s *Server) TLSAddr() string {
	if s.secure == nil {
		return ""
	}
	return s.secure.Addr()
}

// Run serves until ctx ends, and then lets requests end that are under way,
// for a bounded time. A port that is busy is tried again. It does not listen
// before the tower is ready, nor while the store fails. Run may be called
// once. It fails only where an address can't be one.
func (s *Server) Run(ctx context.Context) error {
	for _, e := range s.entrances() {
		if _, _, err := net.SplitHostPort(e.bind); err != nil {
			return fmt.Errorf("the API's address must be host:port: %w", err)
		}
	}
	defer s.drain(context.WithoutCancel(ctx))
	s.awaitTower(ctx)
	for ctx.Err() == nil {
		s.serve(ctx)
		s.awaitStore(ctx)
	}
	return nil
}

func (s *Server) entrances() []*entrance {
	if s.secure == nil {
		return []*entrance{s.plain}
	}
	return []*entrance{s.plain, s.secure}
}

// shut says why nobody is let in, nil while the entrances are open.
func (s *Server) shut() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) setShut(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = why
}

// serve lets clients in until ctx ends or the store fails. Who was let in
// before is still answered afterwards.
func (s *Server) serve(ctx context.Context) {
	s.setShut(nil)
	ctx, cancel := context.WithCancel(ctx)
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel()
	for _, e := range s.entrances() {
		open.Go(func() { s.keepOpen(ctx, e) })
	}
	s.watchStore(ctx)
}

// drain ends when every connection has.
func (s *Server) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.drain)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Warn("the API stops before all requests have ended", "err", err)
		s.http.Close()
	}
	s.conns.Wait()
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// maxLogged bounds a text of unknown length that is logged, in bytes.
const maxLogged = 1024

// cut returns at most so many bytes of a text, and of UTF-8 whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > max(0, most-utf8.UTFMax+1) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// httpLog takes what net/http has to say.
type httpLog struct{ log *slog.Logger }

func (l httpLog) Write(line []byte) (int, error) {
	l.log.Warn("HTTP server", "says", cut(string(line), maxLogged))
	return len(line), nil
}
