package tower

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"vigil/internal/teos"
)

// callers remembers who was served last at each address, and has a table of the key
// of those who come often. Such a one is asked for first: to see that it signed takes
// half of what recovery does. This decides nothing: whoever else signed is recovered.
//
// It must never cost much, whoever calls: see budget.
type callers struct {
	mu       sync.Mutex
	at       map[netip.Addr]regular
	tables   map[teos.UserID]*table
	fullTill time.Time // before it no table is idle
	budget   int
	building bool // one table is made at a time
}

// regular is who was served last at an address, and how often in a row.
type regular struct {
	user teos.UserID
	run  int
}

type table struct {
	key  *teos.KnownKey
	used time.Time
}

const (
	// maxCallers is how many addresses are remembered.
	maxCallers = 1024
	// maxTables is how many users have a table, of 75 kB. It is theirs until they
	// have not needed it for idle: one that is taken and made anew gains nothing.
	maxTables = 128
	idle      = 10 * time.Minute
	// enough requests in a row are worth a try, and many a table.
	enough = 4
	many   = 16

	// budget is what tables may cost. A table that tells saves half of a recovery,
	// and earns hit; one that is tried in vain costs as much; to make one takes as
	// long as twelve recoveries. Each request that is served earns a little, for a
	// tower whose budget was spent in vain to begin again: so all of this costs less
	// than one in a hundred, beside the first tables.
	hit        = 64
	vain       = hit
	price      = 24 * hit
	plain      = 1
	maxBudget  = maxTables * price
	firstShare = 8 * price
)

type callerKey struct{}

// WithCaller says from which address a request came; many that one user may have, as
// those of an IPv6 network, should be one.
func WithCaller(ctx context.Context, from netip.Addr) context.Context {
	return context.WithValue(ctx, callerKey{}, from)
}

func callerOf(ctx context.Context) netip.Addr {
	from, _ := ctx.Value(callerKey{}).(netip.Addr)
	return from
}

func newCallers() *callers {
	return &callers{at: map[netip.Addr]regular{}, tables: map[teos.UserID]*table{}, budget: firstShare}
}

// signer returns who signed a message, as teos.Recover does.
func (c *callers) signer(ctx context.Context, message []byte, s teos.Signature) (teos.UserID, error) {
	from := callerOf(ctx)
	if key := c.expected(from); key != nil {
		signed := key.Signed(message, s)
		c.tried(from, signed)
		if signed {
			return key.User(), nil
		}
	}
	return teos.Recover(message, s)
}

// expected returns the key to try for an address, nil if there is none.
func (c *callers) expected(from netip.Addr) *teos.KnownKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.at[from]
	t := c.tables[one.user]
	if t == nil || one.run < enough || c.budget < vain {
		return nil
	}
	t.used = time.Now()
	return t.key
}

func (c *callers) tried(from netip.Addr, signed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if signed {
		c.budget = min(c.budget+hit, maxBudget)
		return
	}
	c.budget -= vain
	if one, there := c.at[from]; there {
		one.run = 0
		c.at[from] = one
	}
}

// served notes that a user's request was answered. Who is no user is not noted:
// tables are not for everybody who can sign.
func (c *callers) served(ctx context.Context, user teos.UserID) {
	from := callerOf(ctx)
	if !teos.KeysAreKnown || !from.IsValid() || !c.wantsTable(from, user) {
		return
	}
	key := teos.NewKnownKey(user)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.building = false
	if key != nil {
		c.tables[user] = &table{key, time.Now()}
	}
}

// wantsTable notes a request, and tells whether the caller is to make a table of the
// user's key, for which it has paid then.
func (c *callers) wantsTable(from netip.Addr, user teos.UserID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.at[from]
	if one.user != user {
		one = regular{user: user}
	}
	one.run = min(one.run+1, many)
	c.remember(from, one)
	c.budget = min(c.budget+plain, maxBudget)
	if c.tables[user] != nil || one.run < many || c.building || c.budget < price || !c.place() {
		return false
	}
	c.budget -= price
	c.building = true
	return true
}

func (c *callers) remember(from netip.Addr, one regular) {
	if _, there := c.at[from]; !there && len(c.at) >= maxCallers {
		for other := range c.at { // any of them
			delete(c.at, other)
			break
		}
	}
	c.at[from] = one
}

// place makes a place for one more table, unless all are in use. While they are, it
// does not look at each of them for every request.
func (c *callers) place() bool {
	now := time.Now()
	if len(c.tables) < maxTables || now.Before(c.fullTill) {
		return len(c.tables) < maxTables
	}
	oldest := now
	for user, t := range c.tables {
		if now.Sub(t.used) > idle {
			delete(c.tables, user)
			return true
		}
		if t.used.Before(oldest) {
			oldest = t.used
		}
	}
	c.fullTill = oldest.Add(idle)
	return false
}
