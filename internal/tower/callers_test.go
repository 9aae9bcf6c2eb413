//go:build !libsecp256k1

package tower

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"

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
	for range worthATable - 1 {
		alice.asks(ctx, t, c)
	}
	if c.key(home) != nil {
		t.Errorf("a table after %d requests", worthATable-1)
	}
	alice.asks(ctx, t, c)
	if c.key(home) == nil || c.tables != 1 {
		t.Errorf("no table after %d requests", worthATable)
	}
	alice.asks(ctx, t, c)
}

func TestWhoIsRefusedIsNotNoted(t *testing.T) {
	c := newCallers()
	_, ctx := at(1)
	for range 2 * worthATable {
		somebody("stranger").signs(ctx, t, c)
	}
	if len(c.by) != 0 {
		t.Errorf("%d addresses are remembered of who was not served", len(c.by))
	}
}

func TestNobodyIsNotedWithoutAnAddress(t *testing.T) {
	c := newCallers()
	for range 2 * worthATable {
		somebody("alice").asks(context.Background(), t, c)
	}
	if len(c.by) != 0 {
		t.Errorf("%d addresses are remembered of who has none", len(c.by))
	}
}

func TestUsersByTurnsGetNoTable(t *testing.T) {
	c, alice, bob := newCallers(), somebody("alice"), somebody("bob")
	home, ctx := at(1)
	for range 3 {
		for range worthATable - 1 {
			alice.asks(ctx, t, c)
		}
		bob.asks(ctx, t, c)
	}
	if c.key(home) != nil {
		t.Error("a table where the users take turns")
	}
}

func TestATableGoesWhereOthersSign(t *testing.T) {
	c, alice := newCallers(), somebody("alice")
	home, ctx := at(1)
	for range 2 * maxTrust {
		alice.asks(ctx, t, c)
	}
	for range maxTrust/stranger - 1 {
		somebody("stranger").signs(ctx, t, c)
	}
	alice.asks(ctx, t, c)
	if c.key(home) == nil {
		t.Error("the table went too early")
	}
	somebody("bob").asks(ctx, t, c)
	somebody("bob").asks(ctx, t, c)
	if c.key(home) != nil || c.tables != 0 {
		t.Errorf("the table stays though others sign; %d are counted", c.tables)
	}
}

// One in ten is another's, as behind Tor where one user is busy.
func TestATableStaysWhereFewOthersSign(t *testing.T) {
	c, alice, bob := newCallers(), somebody("alice"), somebody("bob")
	home, ctx := at(1)
	for range worthATable {
		alice.asks(ctx, t, c)
	}
	for range 10 {
		for range 9 {
			alice.asks(ctx, t, c)
		}
		bob.asks(ctx, t, c)
	}
	if key := c.key(home); key == nil || key.User() != alice.id() {
		t.Error("the table went though one in ten is another's only")
	}
}

func TestCallersAreBounded(t *testing.T) {
	c, alice := newCallers(), somebody("alice")
	for n := range uint32(maxCallers + 1) {
		_, ctx := at(n)
		c.served(ctx, alice.id())
	}
	if len(c.by) != maxCallers {
		t.Errorf("%d addresses are remembered instead of %d", len(c.by), maxCallers)
	}
}

func TestTablesAreBounded(t *testing.T) {
	c, alice := newCallers(), somebody("alice")
	key := teos.NewKnownKey(alice.id())
	for n := range uint32(maxTables + 2) {
		home, _ := at(n)
		for range worthATable {
			if one := c.met(home, alice.id()); one != nil {
				c.give(home, one, key)
			}
		}
		if c.key(home) == nil {
			t.Errorf("no table for address %d", n)
		}
	}
	held := 0
	for _, one := range c.by {
		if one.key != nil {
			held++
		}
	}
	if held != maxTables || c.tables != maxTables {
		t.Errorf("%d tables, %d are counted, instead of %d", held, c.tables, maxTables)
	}
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
