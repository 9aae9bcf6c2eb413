package towerapi

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often one address may register, and may fail to prove who it is: so many a
// second, after so many at once.
const (
	requestsPerSecond   = 1
	registrationsAtOnce = 20
	failuresAtOnce      = 20
	// throttleDelay is how long a request is held up at most. Beyond it a
	// request is refused, but for appointments.
	throttleDelay = 2 * time.Second
	// maxThrottled is how many addresses are told apart. While there are more,
	// the rest share one measure.
	maxThrottled = 4096
	// manyUsers is how many times as much this machine's own address may, where
	// Tor's users come from it.
	manyUsers = 20
)

// throttle slows each address down that asks too often. An IPv6 address counts for
// its /64.
type throttle struct {
	limit rate.Limit
	burst int

	mu     sync.Mutex
	by     map[netip.Prefix]*rate.Limiter
	others *rate.Limiter
}

func newThrottle(atOnce int) *throttle {
	return &throttle{
		limit: requestsPerSecond, burst: atOnce,
		by: map[netip.Prefix]*rate.Limiter{}, others: rate.NewLimiter(requestsPerSecond, atOnce),
	}
}

// of returns the limiter of an address; nil for one that is not limited.
func (t *throttle) of(p netip.Prefix) *rate.Limiter {
	if !p.IsValid() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.by[p]; l != nil {
		return l
	}
	if len(t.by) >= maxThrottled {
		t.sweep()
	}
	if len(t.by) >= maxThrottled {
		return t.others
	}
	l := rate.NewLimiter(t.limit, t.burst)
	if p.Addr().IsLoopback() { // all of Tor's users
		l = rate.NewLimiter(t.limit*manyUsers, t.burst*manyUsers)
	}
	t.by[p] = l
	return l
}

// sweep forgets who has been quiet for so long that nothing is held against him.
func (t *throttle) sweep() {
	for p, l := range t.by {
		if l.Tokens() >= float64(t.burst) {
			delete(t.by, p)
		}
	}
}

// pass waits until an address may go on, for throttleDelay at most, and says
// whether it may. Each time counts.
func (t *throttle) pass(ctx context.Context, p netip.Prefix) bool {
	l := t.of(p)
	if l == nil {
		return true
	}
	r := l.Reserve()
	if r.Delay() > throttleDelay {
		r.Cancel()
		return false
	}
	pause(ctx, r.Delay())
	return true
}

// owe counts against an address; owes tells for how long it has to wait by now.
func (t *throttle) owe(p netip.Prefix) {
	if l := t.of(p); l != nil && l.Tokens() > -float64(t.burst) {
		l.Reserve()
	}
}

func (t *throttle) owes(p netip.Prefix) time.Duration {
	l := t.of(p)
	if l == nil || l.Tokens() >= 0 {
		return 0
	}
	return time.Duration(-l.Tokens() / float64(t.limit) * float64(time.Second))
}

// measured returns what an address counts for; invalid where it is not limited: a
// proxy, which stands for many, and this machine's own address, unless Tor's users
// come from it.
func (s *Server) measured(a netip.Addr) netip.Prefix {
	if !a.IsValid() || s.trusted(a) || a.IsLoopback() && !s.onion {
		return netip.Prefix{}
	}
	return homeOf(a)
}

// mayGoOn holds a request up while its address asks or fails too often, and says
// whether it may go on. Appointments always may: their clients would lose them.
func (s *Server) mayGoOn(ctx context.Context, e endpoint, home netip.Prefix) bool {
	owed := s.failures.owes(home)
	if owed > throttleDelay && !e.patient {
		return false
	}
	if owed > 0 {
		pause(ctx, min(owed, throttleDelay))
	}
	return !e.registers || s.registrations.pass(ctx, home)
}
