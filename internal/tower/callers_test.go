//go:build !libsecp256k1

package tower

import (
	"context"
	"encoding/binary"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
)

// person is somebody who signs.
type person struct{ key *btcec.PrivateKey }

func somebody(name string) person {
	key, _ := btcec.PrivKeyFromBytes(chainhash.HashB([]byte(name)))
	return person{key}
}

func (p person) id() teos.UserID { return teos.NewUserID(p.key.PubKey()) }

// asks makes a request of a user's, and checks that it is known who signed.
func (p person) asks(ctx context.Context, t *testing.T, c *callers) {
	t.Helper()
	p.signs(ctx, t, c)
	c.served(ctx, p.id())
}

// signs makes a request that is not served.
func (p person) signs(ctx context.Context, t *testing.T, c *callers) {
	t.Helper()
	message := []byte("a request")
	who, err := c.signer(ctx, message, teos.Sign(p.key, message))
	if err != nil || who != p.id() {
		t.Errorf("the signer is %v, %v instead of %v", who, err, p.id())
	}
}

func at(n uint32) (netip.Addr, context.Context) {
	var ip [4]byte
	binary.BigEndian.PutUint32(ip[:], n)
	addr := netip.AddrFrom4(ip)
	return addr, WithCaller(context.Background(), addr)
}

func TestATableIsMadeForWhoComesOften(t *testing.T) {
	c, alice := newCallers(), somebody("alice")
	home, ctx := at(1)
	for range many - 1 {
		alice.asks(ctx, t, c)
	}
	if c.expected(home) != nil {
		t.Errorf("a table after %d requests", many-1)
	}
	alice.asks(ctx, t, c)
	if c.expected(home) == nil {
		t.Errorf("no table after %d requests", many)
	}
	alice.asks(ctx, t, c)
	somebody("bob").asks(ctx, t, c) // whose signature is none of alice's
}

func TestWhoIsRefusedIsNotNoted(t *testing.T) {
	c := newCallers()
	_, ctx := at(1)
	for range 2 * many {
		somebody("stranger").signs(ctx, t, c)
	}
	if len(c.at) != 0 || len(c.tables) != 0 {
		t.Errorf("%d addresses and %d tables of who was not served", len(c.at), len(c.tables))
	}
}

func TestNobodyIsNotedWithoutAnAddress(t *testing.T) {
	c := newCallers()
	for range 2 * many {
		somebody("alice").asks(context.Background(), t, c)
	}
	if len(c.at) != 0 {
		t.Errorf("%d addresses are remembered of who has none", len(c.at))
	}
}

// ledger plays requests without their arithmetic, and counts what they would cost
// beside recovery: a hit saves one, a try in vain costs one, a table 24.
type ledger struct {
	*callers
	requests, hits, vain, made int
}

func (l *ledger) request(user byte, n uint32, served bool) {
	from, _ := at(n)
	id := teos.UserID{2, user, byte(n >> 8), byte(n)}
	if user != 0 {
		id = teos.UserID{2, user}
	}
	l.requests++
	if l.expected(from) != nil {
		signed := served && l.at[from].user == id
		if l.tried(from, signed); signed {
			l.hits++
		} else {
			l.vain++
		}
	}
	if served && l.wantsTable(from, id) {
		l.made++
		l.building = false
		l.tables[id] = &table{&teos.KnownKey{}, time.Now()}
	}
}

// Whatever calls, tables cost no more than the first share and a little more than what
// they save. These are the loads by which they once cost more.
func TestTablesCostLittleWhoeverCalls(t *testing.T) {
	turns := func(length int) func(*ledger) {
		return func(l *ledger) {
			for i := range 20_000 {
				l.request(1+byte(i/length%2), 1, true)
			}
		}
	}
	each := func(users uint32) func(*ledger) {
		return func(l *ledger) {
			for i := range 200 * users {
				l.request(0, i%users, true)
			}
		}
	}
	for name, play := range map[string]func(*ledger){
		"turns of 1": turns(1), "turns of 4": turns(4), "turns of 5": turns(5), "turns of 16": turns(16), "turns of 20": turns(20),
		"100 users": each(100), "128 users": each(maxTables), "200 users": each(200), "1000 users": each(1000), "1500 users": each(1500),
		"four then a stranger": func(l *ledger) {
			for i := range 20_000 {
				l.request(1, 1, i%5 != 0)
			}
		},
		"a new address each 16": func(l *ledger) {
			for i := range uint32(20_000) {
				l.request(1, i/16, true)
			}
		},
		"new users each 16": func(l *ledger) {
			for i := range uint32(100_000) {
				l.request(0, i/16, true)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &ledger{callers: newCallers()}
			play(l)
			cost := l.vain + l.made*price/hit - l.hits
			t.Logf("%d requests: %d hits, %d tries in vain, %d tables: cost %d", l.requests, l.hits, l.vain, l.made, cost)
			if most := firstShare/hit + l.requests*plain/hit; cost > most {
				t.Errorf("cost %d of %d requests, at most %d", cost, l.requests, most)
			}
			if len(l.at) > maxCallers || len(l.tables) > maxTables {
				t.Errorf("%d addresses and %d tables", len(l.at), len(l.tables))
			}
		})
	}
}

func TestWhoTakesTurnsIsKnown(t *testing.T) {
	l := &ledger{callers: newCallers()}
	for i := range 4000 {
		l.request(1+byte(i/20%2), 1, true)
	}
	if l.made != 2 || l.hits < l.requests/2 {
		t.Errorf("%d tables, %d hits of %d", l.made, l.hits, l.requests)
	}
}

// Nobody loses a table to another while it is used.
func TestTablesAreGivenUpIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{callers: newCallers()}
		play := func(from, to uint32) {
			for range 200 {
				for n := from; n < to; n++ {
					l.request(0, n, true)
				}
			}
		}
		play(0, maxTables)
		first := maps.Clone(l.tables)
		if play(maxTables, 2*maxTables); len(first) != maxTables || !maps.Equal(first, l.tables) {
			t.Errorf("of %d tables some went to others", len(first))
		}
		<-time.After(idle + time.Second)
		if play(maxTables, 2*maxTables); len(l.tables) != maxTables || l.made != 2*maxTables {
			t.Errorf("%d tables of %d that were made", len(l.tables), l.made)
		}
	})
}

func TestManyCallersAtOnce(t *testing.T) {
	c := newCallers()
	var all sync.WaitGroup
	for n := range uint32(6) {
		all.Go(func() {
			p := somebody(string(rune('a' + n)))
			for i := range uint32(60) {
				_, ctx := at(n / 3 * (i / 30))
				p.asks(ctx, t, c)
			}
		})
	}
	all.Wait()
}
