package towerapi

import (
	"net/netip"
	"sync"
	"time"
)

// phase is what a connection does.
type phase int

const (
	waiting   phase = iota // for a request, or for the rest of one
	serving                // a request that came whole
	answering              // as fast as the client reads
)

// crowd is every open connection. When all places are taken, a newcomer gets
// that of the oldest connection of the address that has the most of them: who
// takes every place, by connections on which nothing moves or by ever new ones,
// takes them from himself. None has to leave in its first moments, nor while
// its request is with the core.
type crowd struct {
	mu      sync.Mutex
	members map[*conn]struct{}
	stay    time.Duration // that everybody gets
}

func newCrowd(stay time.Duration) *crowd {
	return &crowd{members: map[*conn]struct{}{}, stay: stay}
}

func (w *crowd) enter(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members[c] = struct{}{}
}

func (w *crowd) leave(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.members, c)
}

// enter says what the connection does from now on.
func (c *conn) enter(p phase) {
	c.crowd.mu.Lock()
	defer c.crowd.mu.Unlock()
	c.phase, c.since = p, time.Now()
}

// makeRoom sends one connection away, if there is one that may be.
func (w *crowd) makeRoom(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	victim := w.oldest(w.busiest(), now)
	if victim == nil {
		return false
	}
	victim.sendAway()
	return true
}

// busiest returns the address with the most connections, of those that have
// one which may be sent away now or in a moment.
func (w *crowd) busiest() (home netip.Prefix) {
	count, movable := map[netip.Prefix]int{}, map[netip.Prefix]bool{}
	for c := range w.members {
		count[c.home]++
		movable[c.home] = movable[c.home] || c.movable()
	}
	most := 0
	for h, n := range count {
		if movable[h] && (n > most || n == most && h.Addr().Less(home.Addr())) {
			home, most = h, n
		}
	}
	return home
}

// oldest returns the connection of an address that is the first to go, nil
// where all may stay for now. A client that doesn't read its answer is one
// whose answer takes long.
func (w *crowd) oldest(home netip.Prefix, now time.Time) (oldest *conn) {
	for c := range w.members {
		stayed := now.Sub(c.accepted)
		if c.phase == answering {
			stayed = now.Sub(c.since)
		}
		if c.home == home && c.movable() && stayed >= w.stay && (oldest == nil || c.accepted.Before(oldest.accepted)) {
			oldest = c
		}
	}
	return oldest
}

// movable tells whether a connection need not be kept for its request.
func (c *conn) movable() bool { return c.phase != serving && !c.leaving }

// sendAway ends what the connection waits for as if its time were over, so
// that whoever began a request is answered all the same. The crowd is locked.
func (c *conn) sendAway() {
	c.leaving = true
	_ = c.Conn.SetReadDeadline(longAgo)
	if c.phase == answering {
		_ = c.Conn.SetWriteDeadline(longAgo)
	}
}

var longAgo = time.Unix(1, 0)

// SetReadDeadline gives no time to a connection that was sent away.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.crowd.mu.Lock()
	defer c.crowd.mu.Unlock()
	if c.leaving {
		t = longAgo
	}
	return c.Conn.SetReadDeadline(t)
}
