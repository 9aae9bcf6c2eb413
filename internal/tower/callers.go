package tower

import (
	"context"
	"net/netip"
	"sync"

	"vigil/internal/teos"
)

// callers remembers, for each address, who signed what came from there. A node that
// hands in one appointment after the other is asked for first: to see that it signed
// takes less than half of what recovery does, once there is a table of its key. This
// decides nothing: whoever else signed is recovered.
type callers struct {
	mu     sync.Mutex
	by     map[netip.Addr]*caller
	tables int
}

// caller is who was met at an address.
type caller struct {
	user teos.UserID
	// trust grows with each request of this user. Another's takes it all, or, once
	// there is a table, some.
	trust int
	key   *teos.KnownKey // nil until trust is worth a table
}

const (
	// maxCallers is how many addresses are remembered.
	maxCallers = 1024
	// maxTables is how many of them have a table, of 75 kB.
	maxTables = 128
	// worthATable is after how many requests in a row a table is made, which takes
	// as long as ten recoveries.
	worthATable = 16
	maxTrust    = 2 * worthATable
	// stranger is what another user's request costs. While less than one in five is
	// another's the table stays, and saves more than to try it in vain takes.
	stranger = 4
)

type callerKey struct{}

// WithCaller says from which address a request came.
func WithCaller(ctx context.Context, from netip.Addr) context.Context {
	return context.WithValue(ctx, callerKey{}, from)
}

func callerOf(ctx context.Context) netip.Addr {
	from, _ := ctx.Value(callerKey{}).(netip.Addr)
	return from
}

func newCallers() *callers { return &callers{by: map[netip.Addr]*caller{}} }

// signer returns who signed a message, as teos.Recover does.
func (c *callers) signer(ctx context.Context, message []byte, s teos.Signature) (teos.UserID, error) {
	from := callerOf(ctx)
	if key := c.key(from); key != nil {
		if key.Signed(message, s) {
			return key.User(), nil
		}
		c.failed(from, key)
	}
	return teos.Recover(message, s)
}

func (c *callers) key(from netip.Addr) *teos.KnownKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.by[from]; one != nil {
		return one.key
	}
	return nil
}

// failed notes that somebody else signed.
func (c *callers) failed(from netip.Addr, key *teos.KnownKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.by[from]
	if one == nil || one.key != key {
		return
	}
	if one.trust -= stranger; one.trust <= 0 {
		c.forget(from)
	}
}

// served notes that a user's request was answered. Who is no user is not noted:
// tables are not for everybody who can sign.
func (c *callers) served(ctx context.Context, user teos.UserID) {
	from := callerOf(ctx)
	if !from.IsValid() {
		return
	}
	if one := c.met(from, user); one != nil {
		c.give(from, one, teos.NewKnownKey(user))
	}
}

// met returns the caller at the moment when it is worth a table.
func (c *callers) met(from netip.Addr, user teos.UserID) *caller {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.by[from]
	switch {
	case one == nil:
		one = c.add(from, user)
	case one.user != user && one.key != nil:
		return nil // failed has noted it
	case one.user != user:
		*one = caller{user: user}
	}
	one.trust = min(one.trust+1, maxTrust)
	if one.trust == worthATable && one.key == nil {
		return one
	}
	return nil
}

func (c *callers) add(from netip.Addr, user teos.UserID) *caller {
	for other := range c.by { // any of them
		if len(c.by) < maxCallers {
			break
		}
		c.forget(other)
	}
	one := &caller{user: user}
	c.by[from] = one
	return one
}

// forget forgets an address.
func (c *callers) forget(from netip.Addr) {
	if c.by[from].key != nil {
		c.tables--
	}
	delete(c.by, from)
}

// give gives a caller its table, and takes another's where there are too many.
func (c *callers) give(from netip.Addr, one *caller, key *teos.KnownKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key == nil || c.by[from] != one || one.user != key.User() || one.key != nil {
		return // it went meanwhile
	}
	for other, that := range c.by {
		if c.tables < maxTables {
			break
		}
		if that.key != nil {
			c.forget(other)
		}
	}
	one.key = key
	c.tables++
}
