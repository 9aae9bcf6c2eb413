package gatekeeper_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

var (
	terms = gatekeeper.Terms{Slots: 100, Duration: 1000, Grace: 6}
	alice = towertest.NewUser(1, teos.V2)
)

// now is when everything happens.
var now = time.Unix(1_700_000_000, 0)

func inTx(t *testing.T, f func(tx tower.Tx)) {
	t.Helper()
	towertest.Update(t, towertest.Open(t, towertest.File(t)), func(tx tower.Tx) error { f(tx); return nil })
}

// put stores alice and returns her as stored.
func put(t *testing.T, tx tower.Tx, u gatekeeper.User) gatekeeper.User {
	t.Helper()
	u.ID = alice.ID()
	if err := tx.PutUser(u); err != nil {
		t.Fatal(err)
	}
	return stored(t, tx)
}

func stored(t *testing.T, tx tower.Tx) gatekeeper.User {
	t.Helper()
	u, err := tx.User(alice.ID())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func wantCause(t *testing.T, err error, cause teos.Cause, d teos.Dialect) {
	t.Helper()
	var e *teos.Error
	if !errors.As(err, &e) || e.Cause != cause || e.Dialect != d {
		t.Errorf("got %v (%+v), want cause %d in %v", err, e, cause, d)
	}
}

func TestRegister(t *testing.T) {
	const most = math.MaxUint32
	for name, c := range map[string]struct {
		before *gatekeeper.User
		height uint32
		want   gatekeeper.User // Dialect 0: refused
	}{
		"first":            {nil, 500, gatekeeper.User{Dialect: teos.V2, Slots: 100, Start: 500, Expiry: 1500}},
		"first at genesis": {nil, 0, gatekeeper.User{Dialect: teos.V2, Slots: 100, Expiry: 1000}},
		"renewed":          {&gatekeeper.User{Slots: 3, Start: 7, Expiry: 600}, 500, gatekeeper.User{Dialect: teos.V2, Slots: 103, Start: 7, Expiry: 1600}},
		"at the same tip":  {&gatekeeper.User{Slots: 100, Start: 500, Expiry: 1500}, 500, gatekeeper.User{Dialect: teos.V2, Slots: 200, Start: 500, Expiry: 2500}},
		"in its last block": {&gatekeeper.User{Start: 7, Expiry: 501}, 500,
			gatekeeper.User{Dialect: teos.V2, Slots: 100, Start: 7, Expiry: 1501}},
		"just lapsed": {&gatekeeper.User{Start: 7, Expiry: 500}, 500,
			gatekeeper.User{Dialect: teos.V2, Slots: 100, Start: 500, Expiry: 1500}},
		"long lapsed": {&gatekeeper.User{Start: 7, Expiry: 100}, 500,
			gatekeeper.User{Dialect: teos.V2, Slots: 100, Start: 500, Expiry: 1500}},
		"after a reorg below its start": {&gatekeeper.User{Slots: 1, Start: 500, Expiry: 1500}, 490,
			gatekeeper.User{Dialect: teos.V2, Slots: 101, Start: 500, Expiry: 2500}},
		"the last slots":   {&gatekeeper.User{Slots: most - 100, Expiry: 600}, 500, gatekeeper.User{Dialect: teos.V2, Slots: most, Expiry: 1600}},
		"slots overflow":   {&gatekeeper.User{Slots: most - 99, Expiry: 600}, 500, gatekeeper.User{}},
		"the last expiry":  {&gatekeeper.User{Expiry: most - 1000}, 500, gatekeeper.User{Dialect: teos.V2, Slots: 100, Expiry: most}},
		"expiry overflows": {&gatekeeper.User{Expiry: most - 999}, 500, gatekeeper.User{}},
		"height overflows": {nil, most - 999, gatekeeper.User{}},
	} {
		t.Run(name, func(t *testing.T) {
			inTx(t, func(tx tower.Tx) {
				var before gatekeeper.User
				if c.before != nil {
					c.before.Dialect = teos.V1
					before = put(t, tx, *c.before)
				}
				got, err := gatekeeper.New(terms).Register(tx, gatekeeper.Applicant{ID: alice.ID(), Dialect: teos.V2}, c.height, now)
				if c.want.Dialect == 0 {
					wantCause(t, err, teos.RegistrationRefused, teos.AsError(err).Dialect)
					if c.before != nil && stored(t, tx) != before {
						t.Errorf("a refused registration left %+v", stored(t, tx))
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				c.want.ID, c.want.Row = alice.ID(), before.Row
				if c.before == nil {
					c.want.Since = now.Unix()
				}
				if got != c.want {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
				c.want.Row = stored(t, tx).Row
				if stored(t, tx) != c.want {
					t.Errorf("stored %+v, want %+v", stored(t, tx), c.want)
				}
			})
		})
	}
}

// The clients of v2 refuse a receipt where slots or expiry did not grow.
func TestARenewalGrowsAlways(t *testing.T) {
	inTx(t, func(tx tower.Tx) {
		var last gatekeeper.User
		for _, height := range []uint32{500, 500, 400, 1700, 9000, 8000} {
			u, err := gatekeeper.New(terms).Register(tx, gatekeeper.Applicant{ID: alice.ID(), Dialect: teos.V2}, height, now)
			if err != nil {
				t.Fatal(err)
			}
			if u.Slots <= last.Slots || u.Expiry <= last.Expiry {
				t.Errorf("at %d: %+v after %+v", height, u, last)
			}
			last = u
		}
	})
}

func TestAuthenticateAtTheEdges(t *testing.T) {
	inTx(t, func(tx tower.Tx) {
		g := gatekeeper.New(terms)
		_, err := g.Authenticate(tx, alice.ID(), 10)
		wantCause(t, err, teos.AuthenticationFailed, 0)
		want := put(t, tx, gatekeeper.User{Dialect: teos.V1, Slots: 1, Start: 500, Expiry: 1500})
		for _, height := range []uint32{0, 499, 500, 1499} {
			if got, err := g.Authenticate(tx, alice.ID(), height); err != nil || got != want {
				t.Errorf("at %d: %+v, %v", height, got, err)
			}
		}
		for _, height := range []uint32{1500, 1501, math.MaxUint32} {
			_, err := g.Authenticate(tx, alice.ID(), height)
			wantCause(t, err, teos.SubscriptionOver, teos.V1)
		}
		_, err = g.Authenticate(tx, towertest.NewUser(2, teos.V2).ID(), 600)
		wantCause(t, err, teos.AuthenticationFailed, 0)
	})
}

func TestChargeAtTheEdges(t *testing.T) {
	const most = math.MaxUint32
	for name, c := range map[string]struct {
		free, had, needs, want uint32
		cause                  teos.Cause
	}{
		"new":                       {10, 0, 3, 7, 0},
		"the last slots":            {3, 0, 3, 0, 0},
		"one too many":              {2, 0, 3, 2, teos.NoSlots},
		"larger":                    {10, 1, 3, 8, 0},
		"larger, by all":            {2, 1, 3, 0, 0},
		"larger, too far":           {1, 1, 3, 1, teos.NoSlots},
		"smaller":                   {0, 3, 1, 2, 0},
		"the same":                  {0, 3, 3, 0, 0},
		"at the cap":                {most, 1, 1, most, 0},
		"given back beyond the cap": {most, 2, 1, most, 0},
		"no overflow":               {most, most, most, most, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inTx(t, func(tx tower.Tx) {
				u := put(t, tx, gatekeeper.User{Dialect: teos.V1, Slots: c.free, Expiry: 1500})
				got, err := gatekeeper.New(terms).Charge(tx, u, gatekeeper.Load{Slots: uint64(c.had)}, gatekeeper.Load{Slots: uint64(c.needs)}, now)
				if c.cause != 0 {
					wantCause(t, err, c.cause, teos.V1)
				} else if err != nil || got.Slots != c.want {
					t.Errorf("got %d, %v", got.Slots, err)
				}
				if s := stored(t, tx).Slots; s != c.want {
					t.Errorf("%d slots are stored, want %d", s, c.want)
				}
			})
		})
	}
}

func addAppointment(t *testing.T, tx tower.Tx, u gatekeeper.User, n uint32) watcher.Appointment {
	t.Helper()
	dispute := chaintest.Dispute(n)
	a := watcher.Appointment{UserRow: u.Row, Appointment: alice.Appointment(dispute, chaintest.Penalty(dispute, 0))}
	a.UserSignature = teos.Sign(alice.Key, a.Message())
	var err error
	if a.Row, err = tx.PutAppointment(a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestExpireAtTheEdgesOfGrace(t *testing.T) {
	for height, want := range map[uint32]int64{0: 0, 5: 0, 6: 0, 1500: 0, 1505: 0, 1506: 1, 1507: 1, math.MaxUint32: 1} {
		inTx(t, func(tx tower.Tx) {
			addAppointment(t, tx, put(t, tx, gatekeeper.User{Dialect: teos.V2, Slots: 1, Expiry: 1500}), 1)
			appointments, users, err := gatekeeper.New(terms).Expire(tx, height)
			if err != nil || appointments != want || users != want {
				t.Errorf("at %d: %d appointments and %d users, %v", height, appointments, users, err)
			}
			_, err = tx.User(alice.ID())
			if gone := errors.Is(err, gatekeeper.ErrNoUser); gone != (want == 1) {
				t.Errorf("at %d: %v", height, err)
			}
		})
	}
}

func TestInvariant5AnEndedSubscriptionAbandonsNoBreach(t *testing.T) {
	inTx(t, func(tx tower.Tx) {
		g := gatekeeper.New(terms)
		u := put(t, tx, gatekeeper.User{Dialect: teos.V2, Slots: 1, Expiry: 1500})
		a := addAppointment(t, tx, u, 1)
		dispute := chaintest.Dispute(1)
		err := responder.Track(tx, a.Row, towertest.Tx(dispute), 1490, towertest.Tx(chaintest.Penalty(dispute, 0)))
		if err != nil {
			t.Fatal(err)
		}
		if appointments, users, err := g.Expire(tx, 9000); err != nil || appointments+users != 0 {
			t.Errorf("%d appointments and %d users, %v", appointments, users, err)
		}
		stored(t, tx)
		if err := tx.DropTracker(a.Row); err != nil {
			t.Fatal(err)
		}
		if appointments, users, err := g.Expire(tx, 9001); err != nil || appointments != 1 || users != 1 {
			t.Errorf("after the breach: %d appointments and %d users, %v", appointments, users, err)
		}
	})
}
