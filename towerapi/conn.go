package towerapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/teos"
)

// listener bounds the connections that are open at once, in all and of one
// address. It is what netutil.LimitListener is, but for that and for its
// connections: those hide CloseWrite, without which net/http resets a
// connection over an answer that it sends before the request is read.
type listener struct {
	net.Listener
	server *Server
	tls    *tls.Config // nil for plain HTTP
	closed chan struct{}
	once   sync.Once
}

func newListener(l net.Listener, s *Server, secure *tls.Config) *listener {
	return &listener{Listener: l, server: s, tls: secure, closed: make(chan struct{})}
}

// Accept returns a connection that has a place. One that is over its address's
// limit is turned away; where there is no place, one is made.
func (l *listener) Accept() (net.Conn, error) {
	s := l.server
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer := parseAddr(raw.RemoteAddr().String())
		leave, ok := s.peers.enter(peer)
		if !ok {
			l.turnAway(raw, peer)
			continue
		}
		if !l.place() {
			leave()
			l.turnAway(raw, peer)
			return nil, net.ErrClosed
		}
		c := &conn{Conn: l.wrap(raw), codes: s.codes, crowd: s.crowd, home: homeOf(peer), accepted: time.Now()}
		c.yield = sync.OnceFunc(func() { s.crowd.leave(c); <-s.slots })
		c.release = sync.OnceFunc(func() { c.yield(); leave() })
		s.crowd.enter(c)
		return c, nil
	}
}

// retryRoom is how long to wait until it is seen again who may be sent away.
const retryRoom = 10 * time.Millisecond

// place waits for a place. So that newcomers need not wait, some are made in
// advance, one in 32; false says that the listener was closed first.
func (l *listener) place() bool {
	s := l.server
	tick := time.NewTicker(retryRoom)
	defer tick.Stop()
	for {
		free := cap(s.slots) - len(s.slots)
		s.crowd.makeRoom(1+cap(s.slots)/32-free, time.Now())
		select {
		case s.slots <- struct{}{}:
			return true
		case <-l.closed:
			return false
		case <-tick.C:
		}
	}
}

// Close ends Accept. Connections live on.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// conn sees to it that whoever began a request gets an answer in JSON, also
// from net/http itself, which answers what it can't read in plain text and
// closes the connection of a head that comes too slowly, or while it shuts
// down, without a word.
type conn struct {
	net.Conn
	codes   teos.Dialect
	yield   func()      // gives the place back
	release func()      // that, and leaves the address's count
	owed    atomic.Bool // part of a request came and no answer went

	crowd    *crowd
	home     netip.Prefix
	accepted time.Time
	// These are the crowd's, under its lock.
	phase   phase
	since   time.Time // of phase
	leaving bool
	atOnce  bool // it leaves and was not being served
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.owed.Store(true)
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	c.owed.Store(false)
	status, plain := plainAnswer(b)
	if !plain {
		return c.Conn.Write(b)
	}
	e := teos.Errorf(teos.NotJSON, "the request is not HTTP as this API speaks it")
	if _, err := c.Conn.Write(rawAnswer(answer{status: status, body: NewFailed(e, c.codes)})); err != nil {
		return 0, err
	}
	return len(b), nil
}

type connKey struct{}

// withConn lets connOf find the connection that a request came on.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(r *http.Request) *conn { return connIn(r.Context()) }

func connIn(ctx context.Context) *conn { return ctx.Value(connKey{}).(*conn) }

// CloseWrite is what net/http looks for. It waits half a second after that for
// the client to read: who was sent away does so without the place.
func (c *conn) CloseWrite() error {
	if c.isLeaving() {
		c.yield()
	}
	return closeWrite(c.Conn)
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// lastWord bounds the writing of an answer at the end of a connection.
const lastWord = time.Second

func (c *conn) Close() error {
	defer c.release()
	if c.owed.Swap(false) {
		_ = c.SetWriteDeadline(time.Now().Add(lastWord))
		_, _ = c.Conn.Write(rawAnswer(notNow(0))) // the client may be gone
	}
	return c.Conn.Close()
}

// plainAnswer tells whether b begins an answer that is none of this package's,
// and its status. Ours have their whole head in one write, with its type.
func plainAnswer(b []byte) (status int, plain bool) {
	const line = "HTTP/1.1 400"
	if len(b) < len(line) || !bytes.HasPrefix(b, []byte("HTTP/1.")) || b[9] < '4' {
		return 0, false
	}
	if bytes.Contains(b, []byte("\r\nContent-Type: "+jsonType+"\r\n")) {
		return 0, false
	}
	status, err := strconv.Atoi(string(b[9:12]))
	return status, err == nil
}

// rawAnswer is an answer as it travels, where net/http does not write it.
func rawAnswer(a answer) []byte {
	body, err := json.Marshal(a.body)
	if err != nil {
		panic(err) // the types of bodies.go have no value that fails
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		a.status, http.StatusText(a.status), jsonType, len(body), body)
}
