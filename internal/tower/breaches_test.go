package tower_test

import (
	"math"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/responder"
)

func TestBreachesComeInPages(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	for n := range uint32(5) {
		b.add(alice, appointment(alice, n, 0))
	}
	b.mine(chaintest.Dispute(0), chaintest.Dispute(1), chaintest.Dispute(2))
	q := tower.BreachQuery{Limit: 2}
	first, err := b.Breaches(t.Context(), q)
	b.must(err)
	if len(first.Breaches) != 2 || !first.More || first.Height != 11 {
		t.Fatalf("the first page: %+v", first)
	}
	q.Before = first.Breaches[1].Row
	last, err := b.Breaches(t.Context(), q)
	b.must(err)
	if len(last.Breaches) != 1 || last.More || last.Breaches[0].Dispute.ID != chaintest.Dispute(0).TxHash() {
		t.Errorf("the last page: %+v", last)
	}
}

func TestAWrongQueryIsRefused(t *testing.T) {
	b := newBench(t)
	for _, q := range []tower.BreachQuery{
		{}, {Limit: -1}, {Limit: tower.MaxBreaches + 1}, {Limit: 1, State: "Pending"}, {Limit: 1, Before: -1},
	} {
		_, err := b.Breaches(t.Context(), q)
		b.wantCause(err, teos.WrongType, 0)
	}
	_, err := b.Breaches(t.Context(), tower.BreachQuery{Limit: tower.MaxBreaches, Before: math.MaxInt64})
	b.must(err)
}

// An output with a delay of 144 in block 100 may be spent in block 244 (BIP 68).
func TestBlocksLeft(t *testing.T) {
	for _, c := range []struct {
		delay, disputeAt, height, want uint32
		spend                          responder.Spend
	}{
		{144, 100, 100, 143, responder.Unspent},
		{144, 100, 242, 1, responder.Unspent},
		{144, 100, 243, 0, responder.Unspent},
		{144, 100, 500, 0, responder.Unspent},
		{144, 0, 100, 0, responder.Unspent},
		{144, 100, 100, 0, responder.ByPenalty},
		{math.MaxUint32, 100, 99, math.MaxUint32, responder.Unspent},
	} {
		breach := tower.Breach{ToSelfDelay: c.delay}
		breach.DisputeAt, breach.Spend = c.disputeAt, c.spend
		if got := breach.BlocksLeft(c.height); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}
