package towerapi

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// peers bounds how many connections come from one address at once, so that
// nobody alone can take every place and leave the others in the system's
// backlog, where clients of v2 hang without a limit.
type peers struct {
	most   int
	exempt func(netip.Addr) bool // many clients come from there
	mu     sync.Mutex
	open   map[netip.Prefix]int
}

func newPeers(most int, exempt func(netip.Addr) bool) *peers {
	return &peers{most: most, exempt: exempt, open: map[netip.Prefix]int{}}
}

// exempt tells whether a peer speaks for others: Tor and proxies on this
// machine come from loopback.
func (s *Server) exempt(peer netip.Addr) bool { return peer.IsLoopback() || s.trusted(peer) }

// enter counts a connection until it leaves, which it does once; not ok says
// that its address has as many as it may.
func (p *peers) enter(a netip.Addr) (leave func(), ok bool) {
	if p.exempt(a) {
		return func() {}, true
	}
	home := homeOf(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[home] >= p.most {
		return nil, false
	}
	p.open[home]++
	return func() { p.leave(home) }, true
}

func (p *peers) leave(home netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[home]--; p.open[home] == 0 {
		delete(p.open, home)
	}
}

// homeOf returns what counts as one address: in IPv6 whoever has one has all
// of its /64. Addresses that can't be told count as one.
func homeOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	home, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return home
}

// maxTurnedAway is how many connections over their address's limit are heard
// at once.
const maxTurnedAway = 64

// turnAway answers a connection that is over its address's limit. Where too
// many of them are heard already, it goes unheard, and its client may lose the
// answer. Over TLS it is closed before the handshake, which costs us nothing
// and is a connection that failed to its client.
func (l *listener) turnAway(c net.Conn, peer netip.Addr) {
	s := l.server
	s.log.Debug("too many connections of one address", "client", peer)
	if l.tls != nil {
		c.Close()
		return
	}
	_ = c.SetDeadline(time.Now().Add(s.timing.header))
	select {
	case s.away <- struct{}{}:
		s.conns.Go(func() {
			defer func() { <-s.away }()
			dismiss(c)
		})
	default:
		_, _ = c.Write(rawAnswer(notNow(0))) // the client may be gone
		c.Close()
	}
}

// dismiss tells a client to come again, in a way in which it hears it: clients
// fail over an answer that comes before they have asked (hyper: "received
// unexpected message from connection"), and over the reset of a connection on
// which something they sent was not read.
func dismiss(c net.Conn) {
	defer c.Close()
	_, _ = c.Read(make([]byte, 1)) // where it fails, so does the write
	if _, err := c.Write(rawAnswer(notNow(0))); err != nil {
		return
	}
	if closeWrite(c) == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}
