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
// takes them from himself. None has to leave in its first moments, nor before
// a request that came whole is answered.
type crowd struct {
	mu      sync.Mutex
	members map[*conn]struct{}
	leaving int                  // members that were sent away and leave at once
	homes   map[netip.Prefix]int // how many others there are of each address
	stay    time.Duration        // that everybody gets
}

func newCrowd(stay time.Duration) *crowd {
	return &crowd{members: map[*conn]struct{}{}, homes: map[netip.Prefix]int{}, stay: stay}
}

func (w *crowd) enter(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members[c] = struct{}{}
	w.homes[c.home]++
}

func (w *crowd) leave(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.members, c)
	if c.atOnce {
		w.leaving--
	}
	if !c.leaving {
		w.forget(c.home)
	}
}

// forget counts one less of an address.
func (w *crowd) forget(home netip.Prefix) {
	if w.homes[home]--; w.homes[home] == 0 {
		delete(w.homes, home)
	}
}

// enter says what the connection does from now on.
func (c *conn) enter(p phase) {
	c.crowd.mu.Lock()
	defer c.crowd.mu.Unlock()
	c.phase, c.since = p, time.Now()
	if c.leaving && p == answering {
		_ = c.Conn.SetWriteDeadline(c.since.Add(c.crowd.stay))
	}
}

// makeRoom sends connections away until so many are leaving, or none may be
// sent away. Those that are served now are not counted, since they take their
// time; there is no harm in telling many of them.
func (w *crowd) makeRoom(leaving int, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range leaving - w.leaving {
		victim := w.oldest(w.busiest(), now)
		if victim == nil {
			return
		}
		w.forget(victim.home)
		victim.sendAway()
	}
}

// busiest returns the address with the most connections.
func (w *crowd) busiest() (home netip.Prefix) {
	most := 0
	for h, n := range w.homes {
		if n > most || n == most && h.Addr().Less(home.Addr()) {
			home, most = h, n
		}
	}
	return home
}

// oldest returns the connection of an address that is the first to go, nil
// where all may stay for now. Those that are served now go after all others.
func (w *crowd) oldest(home netip.Prefix, now time.Time) (oldest *conn) {
	for c := range w.members {
		if c.home == home && !c.leaving && c.stayed(now) >= w.stay && (oldest == nil || c.before(oldest)) {
			oldest = c
		}
	}
	return oldest
}

// stayed is how long the client had to do its part: a client that doesn't read
// its answer is one whose answer takes long.
func (c *conn) stayed(now time.Time) time.Duration {
	if c.phase == answering {
		return now.Sub(c.since)
	}
	return now.Sub(c.accepted)
}

// before tells whether c has to go before other.
func (c *conn) before(other *conn) bool {
	if served := c.phase == serving; served != (other.phase == serving) {
		return !served
	}
	return c.accepted.Before(other.accepted)
}

// sendAway ends what the connection waits for as if its time were over, so
// that whoever began a request is answered all the same; one that is served
// ends with its answer. The crowd is locked.
func (c *conn) sendAway() {
	c.leaving = true
	if c.atOnce = c.phase != serving; c.atOnce {
		c.crowd.leaving++
	}
	_ = c.Conn.SetReadDeadline(longAgo)
	if c.phase == answering {
		_ = c.Conn.SetWriteDeadline(longAgo)
	}
}

// goOn gives the client until then to read a part of its answer, unless it was sent
// away: then the rest of the answer is not for it.
func (c *conn) goOn(until time.Time) bool {
	c.crowd.mu.Lock()
	defer c.crowd.mu.Unlock()
	if !c.leaving {
		c.since = time.Now()
		_ = c.Conn.SetWriteDeadline(until)
	}
	return !c.leaving
}

var longAgo = time.Unix(1, 0)

// isLeaving tells whether the connection was sent away.
func (c *conn) isLeaving() bool {
	c.crowd.mu.Lock()
	defer c.crowd.mu.Unlock()
	return c.leaving
}

// SetReadDeadline gives no time to a connection that was sent away.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.crowd.mu.Lock()
	defer c.crowd.mu.Unlock()
	if c.leaving {
		t = longAgo
	}
	return c.Conn.SetReadDeadline(t)
}
