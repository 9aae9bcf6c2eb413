// Package watchroom serves those who look after a tower, at an address of its own:
// a status page for people, metrics for Prometheus, and two questions for whatever
// keeps services alive. It reads what the operator's methods answer and what the
// parts count; nothing can be changed by it, and nothing waits for it.
package watchroom

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"vigil/internal/operator"
)

// Limits of the admin address, small: it serves an operator and his monitors.
const (
	// maxConnections is how many connections are served at once; the next ones
	// wait.
	maxConnections = 32
	// maxHeader bounds the head of a request in bytes; net/http adds 4096.
	maxHeader = 4 << 10

	readTimeout  = 5 * time.Second
	writeTimeout = 20 * time.Second
	idleTimeout  = 30 * time.Second
	// drainTimeout is how long requests may take to end when the server stops.
	drainTimeout = 3 * time.Second
	// firstRetry and lastRetry bound the growing time between two tries to listen.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Config is how to serve.
type Config struct {
	// Bind is the TCP address to listen on, host:port; "" for none. Port 0 takes
	// any free one.
	Bind string
	// Hosts are names by which it may be asked, beside addresses and localhost.
	Hosts []string
	Log   *slog.Logger
}

// Server is the watchroom. Run does its work.
type Server struct {
	bind    string
	hosts   map[string]bool
	log     *slog.Logger
	metrics *Metrics
	http    *http.Server
	work    sync.WaitGroup // questions that are being asked

	info     memo[operator.Info]
	events   memo[operator.Events]
	breaches memo[[]operator.Breach]
	largest  memo[Largest]

	mu      sync.Mutex
	tower   Tower // nil where there is none
	reason  error // why not
	addr    string
	trouble error // why it does not listen
}

// New returns a Server without a tower. Metrics serve one Server.
func New(c Config, m *Metrics) *Server {
	s := &Server{
		bind: c.Bind, hosts: map[string]bool{}, log: c.Log, metrics: m,
		reason: errors.New("it is starting"),
	}
	for _, host := range append(c.Hosts, hostOf(c.Bind)) {
		s.hosts[strings.ToLower(host)] = true
	}
	delete(s.hosts, "")
	turn := make(chan struct{}, 1)
	s.info = memo[operator.Info]{ask: from(s, askInfo), age: infoAge, wait: patience, turn: turn, work: &s.work}
	s.events = memo[operator.Events]{ask: from(s, askEvents), age: listAge, wait: patience, turn: turn, work: &s.work}
	s.breaches = memo[[]operator.Breach]{ask: from(s, askBreaches), age: listAge, wait: patience, turn: turn, work: &s.work}
	s.largest = memo[Largest]{ask: from(s, askLargest), age: userAge, wait: patience, turn: turn, work: &s.work}
	m.registry.MustRegister(gauges{s})
	s.http = &http.Server{
		Handler:                      s.handler(),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            readTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		ErrorLog:                     log.New(httpLog{c.Log}, "", 0),
	}
	return s
}

// from asks the tower that is there now.
func from[T any](s *Server, ask func(context.Context, Tower) (T, error)) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		t, err := s.current()
		if err != nil {
			var none T
			return none, err
		}
		return ask(ctx, t)
	}
}

// Open lets visitors see a tower. A question may outlast Close: the tower must answer
// it, with an error or not.
func (s *Server) Open(t Tower) { s.set(t, nil) }

// Close says why there is no tower now.
func (s *Server) Close(reason error) { s.set(nil, reason) }

func (s *Server) set(t Tower, reason error) {
	s.mu.Lock()
	s.tower, s.reason = t, reason
	s.mu.Unlock()
	s.info.forget()
	s.events.forget()
	s.breaches.forget()
	s.largest.forget()
}

// current is the tower, or why there is none.
func (s *Server) current() (Tower, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tower == nil {
		return nil, errors.Join(errAway, s.reason)
	}
	return s.tower, nil
}

// Addr returns the address that it listens on now, "" while it does not.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Trouble says why it can't listen, "" where it can or need not.
func (s *Server) Trouble() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble == nil {
		return ""
	}
	return s.trouble.Error()
}

func (s *Server) note(addr string, trouble error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr, s.trouble = addr, trouble
}

// Run serves until ctx ends, and returns after all that it began has ended. A port
// that is busy is tried again; whatever happens to it, the tower goes on.
func (s *Server) Run(ctx context.Context) {
	defer s.work.Wait()
	if s.bind == "" {
		return
	}
	defer s.drain(context.WithoutCancel(ctx))
	for ctx.Err() == nil {
		l := s.listen(ctx)
		if l == nil {
			return
		}
		if err := s.serve(ctx, l); ctx.Err() == nil {
			s.log.Warn("the admin address stopped listening", "err", err)
			pause(ctx, firstRetry)
		}
	}
}

// listen tries until it succeeds; nil says that ctx ended first.
func (s *Server) listen(ctx context.Context) net.Listener {
	for wait := firstRetry; ctx.Err() == nil; wait = min(2*wait, lastRetry) {
		l, err := new(net.ListenConfig).Listen(ctx, family(s.bind), s.bind)
		if err == nil {
			s.note(l.Addr().String(), nil)
			s.log.Info("the status page and the metrics are served", "address", s.Addr())
			return netutil.LimitListener(l, maxConnections)
		}
		if ctx.Err() == nil && s.Trouble() == "" {
			s.log.Warn("the status page and the metrics can't be served: free the address or choose another; trying again", "err", err)
		}
		s.note("", err)
		pause(ctx, wait)
	}
	return nil
}

// serve serves a listener until ctx ends or it fails, and closes it.
func (s *Server) serve(ctx context.Context, l net.Listener) (err error) {
	served := make(chan struct{})
	go func() {
		defer close(served)
		err = s.http.Serve(l)
	}()
	select {
	case <-ctx.Done():
	case <-served:
	}
	s.note("", nil)
	l.Close()
	<-served
	return err
}

// drain ends what is still being answered.
func (s *Server) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

// family keeps 0.0.0.0 to IPv4, as whoever wrote it means.
func family(bind string) string {
	if addr, err := netip.ParseAddr(hostOf(bind)); err == nil && addr.Is4() {
		return "tcp4"
	}
	return "tcp"
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// httpLog takes what net/http has to say, little of it: who can reach the address
// can make it say things.
type httpLog struct{ log *slog.Logger }

func (l httpLog) Write(line []byte) (int, error) {
	const most = 300
	l.log.Debug("admin address", "says", string(line[:min(len(line), most)]))
	return len(line), nil
}
