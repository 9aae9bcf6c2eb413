package gatekeeper_test

import (
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

const someHeight = 500

// door is a gatekeeper of a tower that takes whom it was told to take, unless it
// is open, in a transaction.
type door struct {
	t  *testing.T
	tx tower.Tx
	g  *gatekeeper.Gatekeeper
}

func atDoor(t *testing.T, open bool, f func(d door)) {
	t.Helper()
	terms := terms
	terms.Invited = !open
	inTx(t, func(tx tower.Tx) { f(door{t, tx, gatekeeper.New(terms)}) })
}

func (d door) register(token teos.Token, trusted bool) (gatekeeper.User, error) {
	return d.g.Register(d.tx, gatekeeper.Applicant{ID: alice.ID(), Dialect: teos.V2, Token: token, Trusted: trusted}, someHeight, now)
}

func (d door) wantIn(what string, token teos.Token) gatekeeper.User {
	d.t.Helper()
	u, err := d.register(token, false)
	if err != nil {
		d.t.Fatalf("%s: %v", what, err)
	}
	return u
}

func (d door) wantOut(what string, token teos.Token) {
	d.t.Helper()
	if _, err := d.register(token, false); !gatekeeper.IsKnock(err) {
		d.t.Errorf("%s: %v, want it turned away", what, err)
	}
}

// invite makes an invitation for two keys, of seven slots and seventy blocks.
func (d door) invite() (teos.Token, int64) {
	d.t.Helper()
	token := teos.NewToken()
	row, err := d.tx.AddInvitation(token.Hash(), gatekeeper.Invitation{Slots: 7, Blocks: 70, Uses: 2, Created: now})
	if err != nil {
		d.t.Fatal(err)
	}
	return token, row
}

func (d door) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestAnInvitationsTermsOutlastIt: who came by it renews by its terms.
func TestAnInvitationsTermsOutlastIt(t *testing.T) {
	atDoor(t, false, func(d door) {
		token, row := d.invite()
		d.wantIn("with the token", token)
		if _, err := d.tx.DropInvitation(row); err != nil {
			t.Fatal(err)
		}
		if u := d.wantIn("after the invitation ended", ""); u.Slots != 14 || u.Expiry != someHeight+140 {
			t.Errorf("renewed to %d slots until %d, want 14 until %d", u.Slots, u.Expiry, someHeight+140)
		}
	})
}

// TestWhoIsDisallowedStaysOut: whatever it has and shows, until the operator lets
// it in again.
func TestWhoIsDisallowedStaysOut(t *testing.T) {
	for name, open := range map[string]bool{"invited": false, "open": true} {
		t.Run(name, func(t *testing.T) {
			atDoor(t, open, func(d door) {
				token, _ := d.invite()
				d.wantIn("with a token", token)
				u := stored(t, d.tx)
				d.must(d.tx.Expel(alice.ID(), now))
				d.wantOut("while its subscription runs", "")
				d.wantOut("with the same token", token)
				other, _ := d.invite()
				d.wantOut("with another token", other)
				if after := stored(t, d.tx); after != u {
					t.Errorf("a refused registration left %+v", after)
				}
				if _, err := d.register("", true); err != nil {
					t.Errorf("registered by the operator: %v", err)
				}
				d.wantIn("after the operator let it in", "")
			})
		})
	}
}

// TestAnOldUserMayRenew: of a tower that was open once.
func TestAnOldUserMayRenew(t *testing.T) {
	atDoor(t, false, func(d door) {
		put(t, d.tx, gatekeeper.User{Dialect: teos.V2, Expiry: someHeight + 1})
		d.wantIn("in the last block", "")
		u := stored(t, d.tx)
		u.Expiry = someHeight
		d.must(d.tx.PutUser(u))
		d.wantOut("once it has lapsed", "")
	})
}
