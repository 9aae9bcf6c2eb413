package towerapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
)

// entrance is one address at which the API is served. All of them share the
// server's limits, and close together when the store fails.
type entrance struct {
	tls          *tls.Config  // nil for plain HTTP
	certificates Certificates // where tls is set

	mu      sync.Mutex
	bind    string
	addr    string // while listening
	trouble error  // why the last try to listen failed
}

// Entrance is an address at which the API is to be served.
type Entrance struct {
	// Bind is the address that it is to listen on, host:port.
	Bind string
	TLS  bool
	// Addr is the address that it listens on now, "" while it does not; Err says
	// why not then. It is ErrWaiting or ErrStore where the server keeps it shut.
	Addr string
	Err  error
}

// Why nobody is let in by any entrance.
var (
	ErrWaiting = errors.New("it waits for the tower's first block")
	ErrStore   = errors.New("the store fails, and it is closed until that works again")
)

// errOpening is what holds until the first try to listen ended.
var errOpening = errors.New("it is about to listen")

// Entrances tells how it is about each address of the API, the one without TLS
// first.
func (s *Server) Entrances() (list []Entrance) {
	shut := s.shut()
	for _, e := range s.entrances() {
		t := e.tell()
		if t.Addr == "" && shut != nil {
			t.Err = shut
		}
		list = append(list, t)
	}
	return list
}

func (e *entrance) tell() Entrance {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := Entrance{Bind: e.bind, TLS: e.tls != nil, Addr: e.addr}
	if t.Addr == "" {
		t.Err = cmp.Or(e.trouble, errOpening)
	}
	return t
}

// note keeps why it can't listen.
func (e *entrance) note(trouble error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trouble = trouble
}

// Addr returns the address that it listens on now, "" while it does not.
func (e *entrance) Addr() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.addr
}

// setAddr notes that it listens on addr, or with "" that it does not. It will
// come back to the same address.
func (e *entrance) setAddr(addr string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.addr = addr
	if addr != "" {
		e.bind, e.trouble = addr, nil
	}
}

// keepOpen lets clients in by an entrance until ctx ends.
func (s *Server) keepOpen(ctx context.Context, e *entrance) {
	var certificates sync.WaitGroup
	defer certificates.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for kept := e.certificates == nil; ctx.Err() == nil; {
		l := s.listen(ctx, e)
		if l == nil {
			return
		}
		if !kept {
			kept = true
			certificates.Go(func() { e.certificates.Keep(ctx) })
		}
		if err := s.accept(ctx, e, l); ctx.Err() == nil {
			e.note(err)
			s.log.Error("the API stopped listening", "err", err)
			pause(ctx, s.timing.retry)
		}
	}
}

// listen tries until it succeeds; nil says that ctx ended first.
func (s *Server) listen(ctx context.Context, e *entrance) net.Listener {
	for wait := s.timing.retry; ctx.Err() == nil; wait = min(2*wait, s.timing.maxRetry) {
		l, err := new(net.ListenConfig).Listen(ctx, family(e.bind), e.bind)
		if err == nil {
			e.setAddr(l.Addr().String())
			s.log.Info("the API listens", "address", e.Addr(), "tls", e.tls != nil)
			return newListener(l, s, e.tls)
		}
		if ctx.Err() == nil {
			e.note(err)
			s.log.Warn("the API can't listen: free the address or choose another", "err", err, "again_in", wait)
		}
		pause(ctx, wait)
	}
	return nil
}

// accept serves a listener until ctx ends or it fails, and closes it.
func (s *Server) accept(ctx context.Context, e *entrance, l net.Listener) (err error) {
	served := make(chan struct{})
	go func() {
		defer close(served)
		err = s.http.Serve(l)
	}()
	select {
	case <-ctx.Done():
	case <-served:
	}
	e.setAddr("")
	l.Close()
	<-served
	return err
}

// family keeps 0.0.0.0 to IPv4, as whoever wrote it means; Go would open IPv6,
// too.
func family(bind string) string {
	host, _, err := net.SplitHostPort(bind)
	if addr, errAddr := netip.ParseAddr(host); err == nil && errAddr == nil && addr.Is4() {
		return "tcp4"
	}
	return "tcp"
}
