package gatekeeper_test

import (
	"math"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

// TestLimitsOfASubscription: each limit at its edge and one past it.
func TestLimitsOfASubscription(t *testing.T) {
	const height = 500
	limited := func(change func(*gatekeeper.Terms)) gatekeeper.Terms {
		terms := terms
		change(&terms)
		return terms
	}
	slots := limited(func(t *gatekeeper.Terms) { t.MaxSlots = 150 })
	few := limited(func(t *gatekeeper.Terms) { t.MaxSlots = 5 })
	ahead := limited(func(t *gatekeeper.Terms) { t.MaxAhead = 2500 })
	short := limited(func(t *gatekeeper.Terms) { t.MaxAhead = 10 })
	users := limited(func(t *gatekeeper.Terms) { t.MaxUsers = 1 })
	for name, c := range map[string]struct {
		terms  gatekeeper.Terms
		before gatekeeper.User
		slots  uint32 // 0: refused
		expiry uint32
	}{
		"as many slots as allowed":              {slots, gatekeeper.User{Slots: 30, Filled: 20, Expiry: 600}, 130, 1600},
		"slots that would be more are cut":      {slots, gatekeeper.User{Slots: 31, Filled: 20, Expiry: 600}, 130, 1600},
		"filled slots count":                    {slots, gatekeeper.User{Slots: 1, Filled: 148, Expiry: 1600}, 2, 2600},
		"all slots, and it lasts":               {slots, gatekeeper.User{Slots: 10, Filled: 140, Expiry: 1001}, 0, 0},
		"all slots, and it ends soon":           {slots, gatekeeper.User{Slots: 10, Filled: 140, Expiry: 1000}, 11, 2000},
		"all slots, and it has ended":           {slots, gatekeeper.User{Slots: 0, Filled: 150, Expiry: 499}, 1, 1500},
		"more than allowed by older terms":      {slots, gatekeeper.User{Slots: 10, Filled: 900, Expiry: 600}, 11, 1600},
		"a registration has more than allowed":  {few, gatekeeper.User{Expiry: 600}, 5, 1600},
		"as long as allowed":                    {ahead, gatekeeper.User{Expiry: 2000}, 100, 3000},
		"what would be longer is cut":           {ahead, gatekeeper.User{Expiry: 2001}, 100, 3000},
		"a block is enough":                     {ahead, gatekeeper.User{Expiry: 2999}, 100, 3000},
		"no block is left":                      {ahead, gatekeeper.User{Expiry: 3000}, 0, 0},
		"longer than allowed by older terms":    {ahead, gatekeeper.User{Expiry: 9000}, 0, 0},
		"a registration's length is allowed":    {short, gatekeeper.User{Expiry: 500}, 100, 1500},
		"and renewed with the next block":       {short, gatekeeper.User{Expiry: 1499}, 100, 1500},
		"a user of a full tower may renew":      {users, gatekeeper.User{Expiry: 600}, 100, 1600},
		"even when its subscription has lapsed": {users, gatekeeper.User{Expiry: 400}, 100, 1500},
	} {
		t.Run(name, func(t *testing.T) {
			inTx(t, func(tx tower.Tx) {
				c.before.Dialect = teos.V2
				before := put(t, tx, c.before)
				got, err := gatekeeper.New(c.terms).Register(tx, gatekeeper.Applicant{ID: alice.ID(), Dialect: teos.V2}, height, now)
				if c.slots == 0 {
					wantCause(t, err, teos.RegistrationRefused, teos.V2)
					if after := stored(t, tx); after != before {
						t.Errorf("a refused registration left %+v", after)
					}
					return
				}
				if err != nil || got.Slots != c.slots || got.Expiry != c.expiry || got != stored(t, tx) {
					t.Errorf("got %+v (%v), stored %+v, want %d slots until %d", got, err, stored(t, tx), c.slots, c.expiry)
				}
			})
		})
	}
}

// TestWhatDoesNotFitIsToldHowMuchDoes: a number that is too large says nothing of the
// subscription that was to get it.
func TestWhatDoesNotFitIsToldHowMuchDoes(t *testing.T) {
	const most = math.MaxUint32
	for _, c := range []struct {
		slots, expiry, moreSlots, moreBlocks uint32
		want                                 string
	}{
		{9995, 1500, most, 1, "the user has 9995 free slots, and 4294957300 more can be added at most"},
		{most, 1500, 1, 1, "the user has 4294967295 free slots, as many as there can be"},
		{5, 1500, 1, most, "the subscription holds until block 1500, and 4294965795 blocks more can be added at most"},
		{5, most, 1, 1, "the subscription holds until block 4294967295, as late as it can"},
		{5, 100, 1, most, "4294966795 blocks more can be added at most"}, // lapsed: from the height
	} {
		inTx(t, func(tx tower.Tx) {
			before := put(t, tx, gatekeeper.User{Dialect: teos.V2, Slots: c.slots, Start: 7, Expiry: c.expiry})
			_, err := gatekeeper.New(terms).Renew(tx, alice.ID(), 500, c.moreSlots, c.moreBlocks)
			wantCause(t, err, teos.RegistrationRefused, teos.V2)
			if err == nil || !strings.Contains(err.Error(), c.want) || stored(t, tx) != before {
				t.Errorf("%+v: %v", c, err)
			}
		})
	}
}
