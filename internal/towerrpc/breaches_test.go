package towerrpc_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
	"vigil/internal/towerrpc"
)

// annals is a core with breaches.
type annals struct {
	towerrpc.Core
	asked tower.BreachQuery
	page  tower.BreachPage
}

func (a *annals) Breaches(_ context.Context, q tower.BreachQuery) (tower.BreachPage, error) {
	a.asked = q
	return a.page, nil
}

func breach(state tower.BreachState, spend responder.Spend) tower.Breach {
	b := tower.Breach{State: state, User: alice.ID(), Locator: teos.Locator{3}, ToSelfDelay: 144}
	b.Tracker = responder.Tracker{
		Row: 7, Dispute: chain.Tx{ID: chainhash.Hash{1}}, DisputeAt: 90, Penalty: chain.Tx{ID: chainhash.Hash{2}},
		Tries: 5, TriedAt: 91, Reason: "fee", Doubtful: true, Spend: spend,
	}
	if spend != responder.Unspent {
		b.Spender, b.SpentAt = chainhash.Hash{4}, 92
	}
	return b
}

func TestEveryFieldOfABreachCrosses(t *testing.T) {
	over := breach(tower.Lost, responder.ByRival)
	over.Over, over.When, over.Reason, over.Accepted = 191, time.Unix(15, 0).UTC(), "", true
	core := &annals{page: tower.BreachPage{Height: 100, More: true, Breaches: []tower.Breach{
		breach(tower.Refused, responder.Unspent), breach(tower.Confirmed, responder.ByPenalty),
		breach(tower.Replaced, responder.Replaced), over,
	}}}
	socket := socketPath(t)
	serve(t, core, socket)
	q := tower.BreachQuery{State: tower.Lost, Before: 8, Limit: 9}
	got, err := dial(t, socket).Breaches(soon(t), q)
	if err != nil || !reflect.DeepEqual(got, core.page) {
		t.Errorf("got %+v, want %+v, %v", got, core.page, err)
	}
	if core.asked != q {
		t.Errorf("asked for %+v, want %+v", core.asked, q)
	}
}
