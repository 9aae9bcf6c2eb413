package store_test

import (
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/responder"
)

func testBreaches(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		want := map[tower.BreachState]responder.Tracker{}
		for i, c := range []struct {
			state tower.BreachState
			spend responder.Spend
			tries uint32
		}{
			{tower.Pending, responder.Unspent, 0}, {tower.Refused, responder.Unspent, 1},
			{tower.Confirmed, responder.ByPenalty, 1}, {tower.Rivalled, responder.ByRival, 1},
			{tower.Replaced, responder.Replaced, 1},
		} {
			tr := putTracker(t, tx, u, uint32(i), 50)
			tr.Spend, tr.Tries, tr.Reason = c.spend, c.tries, "why"
			mustPut(t, tx, tr)
			want[c.state] = tr
		}
		want[tower.Resolved] = resolve(t, tx, u, 10, responder.ByPenalty)
		want[tower.Lost] = resolve(t, tx, u, 11, responder.ByRival)
		for _, state := range tower.BreachStates {
			found, err := tx.Breaches(tower.BreachQuery{State: state, Limit: 10})
			if err != nil {
				return err
			}
			wantBreach(t, found, state, want[state])
		}
		return wantPages(t, tx)
	})
}

func wantBreach(t *testing.T, found []tower.Breach, state tower.BreachState, want responder.Tracker) {
	t.Helper()
	if len(found) != 1 {
		t.Fatalf("%d breaches are %s", len(found), state)
	}
	b := found[0]
	equal(t, "state", b.State, state)
	equal(t, "dispute", b.Dispute.ID, want.Dispute.ID)
	equal(t, "penalty", b.Penalty.ID, want.Penalty.ID)
	equal(t, "spender", b.Spender, want.Spender)
	equal(t, "reason", b.Reason, want.Reason)
	equal(t, "tries", b.Tries, want.Tries)
	equal(t, "over", b.Over != 0, state == tower.Resolved || state == tower.Lost)
}

func wantPages(t *testing.T, tx tower.Tx) error {
	t.Helper()
	var rows []int64
	q := tower.BreachQuery{Limit: 3}
	for {
		found, err := tx.Breaches(q)
		if err != nil || len(found) == 0 {
			equal(t, "rows, page by page", rows, []int64{7, 6, 5, 4, 3, 2, 1})
			return err
		}
		for _, b := range found {
			rows = append(rows, b.Row)
			q.Before = b.Row
		}
	}
}
