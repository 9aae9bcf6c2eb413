package store_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/responder"
)

func testTrackers(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		_, err := tx.Tracker(1)
		wantErr(t, err, responder.ErrNoTracker)
		tr := putTracker(t, tx, u, 1, 50)
		other := putTracker(t, tx, u, 2, 50)
		equal(t, "new tracker", tracker(t, tx, tr.Row), tr)
		a, err := tx.AppointmentIn(tr.Row)
		equal(t, "triggered", a.Triggered, true)
		if err != nil {
			return err
		}
		tr.Spent, tr.Doubtful = nil, true
		tr.DisputeAt, tr.Judged, tr.SpentAt = math.MaxUint32, math.MaxUint32-1, math.MaxUint32
		tr.Spend, tr.Spender = responder.ByRival, chainhash.HashH([]byte("rival"))
		tr.Tries, tr.TriedAt, tr.Accepted, tr.Reason = math.MaxUint32, 7, true, "mempool full\x00\n"
		mustPut(t, tx, tr)
		equal(t, "changed tracker", tracker(t, tx, tr.Row), tr)
		equal(t, "the other tracker", tracker(t, tx, other.Row), other)
		return nil
	})
	for name, f := range map[string]func(tx tower.Tx) error{
		"changed while not there": func(tx tower.Tx) error {
			return tx.PutTracker(responder.Tracker{Row: 77, Penalty: chain.Tx{Raw: []byte{1}}})
		},
		"made for nothing": func(tx tower.Tx) error {
			return tx.InsertTracker(responder.Tracker{Row: 77, Penalty: chain.Tx{Raw: []byte{1}}})
		},
		"dropped twice": func(tx tower.Tx) error { return tx.DropTracker(77) },
	} {
		if err := s.Update(t.Context(), f); err == nil {
			t.Errorf("a tracker was %s", name)
		}
	}
}

func watchesOf(t *testing.T, tx tower.Tx, outpoints ...wire.OutPoint) []responder.Watch {
	t.Helper()
	ws, err := tx.WatchesOf(outpoints)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func testDropTracker(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		gone, kept := putTracker(t, tx, u, 1, 50), putTracker(t, tx, u, 2, 50)
		for _, tr := range []responder.Tracker{gone, kept} {
			if err := tx.AddWatches([]responder.Watch{{Outpoint: tr.Penalty.Inputs[0], Row: tr.Row}}); err != nil {
				return err
			}
		}
		if err := tx.DropTracker(gone.Row); err != nil {
			return err
		}
		both := []wire.OutPoint{gone.Penalty.Inputs[0], kept.Penalty.Inputs[0]}
		equal(t, "watches", watchesOf(t, tx, both...), []responder.Watch{{Outpoint: both[1], Row: kept.Row}})
		a, err := tx.AppointmentIn(gone.Row)
		equal(t, "triggered", a.Triggered, false)
		return err
	})
	err := s.Update(t.Context(), func(tx tower.Tx) error {
		return tx.DropAppointment(putTracker(t, tx, putUser(t, tx, 3), 3, 50).Row)
	})
	if err == nil {
		t.Error("an appointment went from under its tracker")
	}
}

func testWatches(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		first, second := putTracker(t, tx, u, 1, 50), putTracker(t, tx, u, 2, 50)
		outpoint := wire.OutPoint{Hash: chainhash.HashH([]byte("funding")), Index: math.MaxUint32}
		want := []responder.Watch{
			{Outpoint: outpoint, Row: first.Row, OfDispute: true},
			{Outpoint: outpoint, Row: second.Row, OfDispute: true},
		}
		for range 2 {
			if err := tx.AddWatches(want); err != nil {
				return err
			}
		}
		other := wire.OutPoint{Hash: outpoint.Hash, Index: 7}
		equal(t, "watches", watchesOf(t, tx, other, outpoint), want)
		equal(t, "watches of another output", len(watchesOf(t, tx, other)), 0)
		many := make([]wire.OutPoint, 1201)
		many[1200] = outpoint
		equal(t, "watches among many", watchesOf(t, tx, many...), want)
		return nil
	})
}

func dueRows(t *testing.T, tx tower.Tx, tip uint32, scope responder.Scope, after int64, limit int) []int64 {
	t.Helper()
	due, err := tx.Due(tip, scope, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	var rows []int64
	for _, tr := range due {
		rows = append(rows, tr.Row)
	}
	return rows
}

func testDue(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		var rows []int64
		for i, change := range []func(*responder.Tracker){
			func(*responder.Tracker) {},
			func(tr *responder.Tracker) { tr.Tries, tr.TriedAt, tr.Accepted = 1, 99, true },
			func(tr *responder.Tracker) { tr.Tries, tr.TriedAt, tr.Accepted = 1, 100, true },
			func(tr *responder.Tracker) { tr.Tries, tr.TriedAt, tr.Accepted = 9, 100, false },
			func(tr *responder.Tracker) { tr.Tries, tr.TriedAt, tr.Accepted = 8, 100, false },
			func(tr *responder.Tracker) { tr.Spend, tr.SpentAt = responder.ByPenalty, 100 },
			func(tr *responder.Tracker) { tr.Spend, tr.SpentAt = responder.ByRival, 100 },
			func(tr *responder.Tracker) { tr.Spend, tr.SpentAt = responder.Replaced, 100 },
		} {
			tr := putTracker(t, tx, u, uint32(i), 90)
			change(&tr)
			mustPut(t, tx, tr)
			rows = append(rows, tr.Row)
		}
		fresh, old, now, often, refused := rows[0], rows[1], rows[2], rows[3], rows[4]
		for _, c := range []struct {
			what  string
			scope responder.Scope
			after int64
			limit int
			want  []int64
		}{
			{"at a new block", responder.AtBlock, 0, 10, []int64{fresh, old}},
			{"never tried", responder.Untried, 0, 10, []int64{fresh}},
			{"refused, least tried first", responder.Refused, often, 10, []int64{fresh, refused, often}},
			{"the least tried", responder.Refused, 0, 2, []int64{fresh, refused}},
			{"after a start", responder.All, 0, 10, []int64{fresh, old, now, often, refused}},
			{"behind a row", responder.All, old, 10, []int64{now, often, refused}},
			{"a few", responder.All, fresh, 2, []int64{old, now}},
			{"behind all", responder.All, rows[7], 10, nil},
		} {
			equal(t, c.what, dueRows(t, tx, 100, c.scope, c.after, c.limit), c.want)
		}
		return nil
	})
}

func testNoteTry(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		tr := putTracker(t, tx, u, 1, 90)
		tried := tr
		tried.Tries, tried.TriedAt, tried.Accepted, tried.Reason = 1, 100, true, "because"
		tried.Spend, tried.Judged = responder.ByRival, 1 // not what a try tells
		if err := noteTry(tx, tried); err != nil {
			return err
		}
		want := tr
		want.Tries, want.TriedAt, want.Accepted, want.Reason = 1, 100, true, "because"
		equal(t, "tried tracker", tracker(t, tx, tr.Row), want)

		// Meanwhile a reorg took the dispute out: what was tried is not what
		// is due now.
		if err := tx.UndoAbove(89); err != nil {
			return err
		}
		if err := noteTry(tx, tried); err != nil {
			return err
		}
		if got := tracker(t, tx, tr.Row); got.TriedAt != 0 {
			t.Errorf("tried at %d, before the reorg: its dispute would wait for a block", got.TriedAt)
		}
		tried.Row = 77
		return noteTry(tx, tried)
	})
}

func testJudged(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		_, found, err := tx.Unjudged(math.MaxUint32)
		equal(t, "found without trackers", found, false)
		if err != nil {
			return err
		}
		u := putUser(t, tx, 1)
		late, current := putTracker(t, tx, u, 1, 95), putTracker(t, tx, u, 2, 100)
		if err := tx.SetJudged(100); err != nil {
			return err
		}
		judged := func(tr responder.Tracker) uint32 { return tracker(t, tx, tr.Row).Judged }
		equal(t, "current", judged(current), 100)
		equal(t, "late", judged(late), 94)
		height, found, err := tx.Unjudged(100)
		equal(t, "unjudged", height, 95)
		equal(t, "found", found, true)
		if err != nil {
			return err
		}
		if err := tx.SkipJudging(98); err != nil {
			return err
		}
		equal(t, "late, skipped", judged(late), 98)
		equal(t, "current, not skipped", judged(current), 100)
		for h := uint32(99); h <= 100; h++ {
			if err := tx.SetJudged(h); err != nil {
				return err
			}
		}
		_, found, err = tx.Unjudged(100)
		equal(t, "found when all is judged", found, false)
		return err
	})
}

func testWithoutDispute(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		bare := func(n, height uint32) responder.Tracker {
			tr := putTracker(t, tx, u, n, height)
			tr.Spent = nil
			mustPut(t, tx, tr)
			return tr
		}
		doubtful := bare(5, 95)
		doubtful.Doubtful = true
		mustPut(t, tx, doubtful)
		want := bare(1, 95)
		bare(2, 96)
		putTracker(t, tx, u, 3, 95)
		judged := bare(4, 95)
		judged.Judged = 95
		mustPut(t, tx, judged)
		got, err := tx.WithoutDispute(95)
		equal(t, "trackers", got, []responder.Tracker{want})
		if err != nil {
			return err
		}
		got, err = tx.WithoutDispute(0)
		equal(t, "trackers at 0", len(got), 0)
		return err
	})
}

func testUndoAbove(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		put := func(n, disputeAt, spentAt, judged uint32) responder.Tracker {
			tr := putTracker(t, tx, u, n, disputeAt)
			tr.SpentAt, tr.Judged, tr.TriedAt, tr.Accepted = spentAt, judged, 99, true
			if spentAt > 0 {
				tr.Spend, tr.Spender = responder.ByRival, chainhash.HashH([]byte("rival"))
			}
			mustPut(t, tx, tr)
			return tr
		}
		below, spent := put(1, 90, 95, 100), put(2, 90, 96, 100)
		both, pending, late := put(3, 96, 97, 100), put(4, 95, 0, 100), put(5, 93, 0, 94)
		if err := tx.UndoAbove(95); err != nil {
			return err
		}
		below.Judged = 95
		for _, tr := range []*responder.Tracker{&spent, &both} {
			tr.Spend, tr.Spender, tr.SpentAt, tr.Judged = responder.Unspent, chainhash.Hash{}, 0, 95
			tr.TriedAt, tr.Accepted = 0, false
		}
		both.DisputeAt = 0
		pending.Judged, pending.TriedAt = 95, 0
		late.TriedAt = 0
		for what, want := range map[string]responder.Tracker{
			"decided below": below, "spent above": spent, "dispute above": both, "pending": pending, "late": late,
		} {
			equal(t, what, tracker(t, tx, want.Row), want)
		}
		return nil
	})
}

func testSpentUpTo(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		u := putUser(t, tx, 1)
		putTracker(t, tx, u, 1, 50)
		for i, spend := range []responder.Spend{responder.ByPenalty, responder.ByRival, responder.Replaced, responder.ByPenalty} {
			tr := putTracker(t, tx, u, 10+uint32(i), 50)
			tr.Spend, tr.SpentAt = spend, 60+uint32(i)
			mustPut(t, tx, tr)
		}
		got, err := tx.SpentUpTo(62)
		equal(t, "trackers", len(got), 3)
		for _, tr := range got {
			if tr.SpentAt > 62 || tr.Spend == responder.Unspent {
				t.Errorf("%v at %d", tr.Spend, tr.SpentAt)
			}
		}
		return err
	})
}

func testBlocks(t *testing.T, s tower.Store) {
	c := chaintest.New()
	c.MineEmpty(5)
	header := func(h uint32) chain.Header {
		b := c.At(h)
		return chain.Header{Height: h, Hash: b.Hash, Prev: b.Prev}
	}
	update(t, s, func(tx tower.Tx) error {
		for _, get := range []func() (chain.Header, bool, error){tx.Tip, tx.Lowest} {
			_, found, err := get()
			equal(t, "found in an empty store", found, false)
			if err != nil {
				return err
			}
		}
		for h := range uint32(6) {
			if err := tx.PutBlock(c.At(h), true); err != nil {
				return err
			}
		}
		if err := tx.CutBlocks(1); err != nil {
			return err
		}
		if err := tx.DropAbove(4); err != nil {
			return err
		}
		tip, _, err := tx.Tip()
		equal(t, "tip", tip, header(4))
		if err != nil {
			return err
		}
		lowest, _, err := tx.Lowest()
		equal(t, "lowest", lowest, header(1))
		if err != nil {
			return err
		}
		middle, found, err := tx.Header(2)
		equal(t, "header", middle, header(2))
		equal(t, "found", found, true)
		if err != nil {
			return err
		}
		_, found, err = tx.Header(5)
		equal(t, "found above the tip", found, false)
		return err
	})
	if err := s.Update(t.Context(), func(tx tower.Tx) error { return tx.PutBlock(c.At(3), false) }); err == nil {
		t.Error("two blocks at one height")
	}
}

func testRecent(t *testing.T, s tower.Store) {
	c := chaintest.New()
	txs := make([]*wire.MsgTx, 600) // more than a statement stores
	for i := range txs {
		txs[i] = chaintest.Dispute(uint32(i))
	}
	blocks := []*chain.Block{c.Mine(txs...), c.Mine(chaintest.Dispute(1000)), c.Mine(chaintest.Dispute(1001))}
	wantRecent := func(tx tower.Tx, n, height uint32, want bool) {
		t.Helper()
		id := chaintest.Dispute(n).TxHash()
		for _, d := range []teos.Dialect{teos.V1, teos.V2} {
			got, at, found, err := tx.RecentTransaction(teos.NewLocator(d, id))
			if err != nil {
				t.Fatal(err)
			}
			if found != want || found && (got != id || at != height) {
				t.Errorf("dispute %d in %v: %v at %d, %t", n, d, got, at, found)
			}
		}
	}
	update(t, s, func(tx tower.Tx) error {
		for _, b := range blocks {
			if err := tx.PutBlock(b, b.Height != 2); err != nil {
				return err
			}
		}
		for n := range uint32(600) {
			wantRecent(tx, n, 1, true)
		}
		wantRecent(tx, 1000, 2, false)
		wantRecent(tx, 1001, 3, true)
		stats, err := tx.Stats()
		equal(t, "recent from", stats.RecentFrom, 1)
		if err != nil {
			return err
		}
		if err := tx.CutRecent(3); err != nil {
			return err
		}
		wantRecent(tx, 0, 1, false)
		wantRecent(tx, 1001, 3, true)
		if _, found, err := tx.Header(1); err != nil || !found {
			t.Errorf("the header went with the transactions: %v", err)
		}
		if err := tx.DropAbove(2); err != nil {
			return err
		}
		wantRecent(tx, 1001, 3, false)
		return nil
	})
}

func testBlind(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		for _, r := range []tower.Range{{From: 10, To: 20}, {From: 30, To: 30}, {From: 10, To: 15}, {From: 10, To: 25}} {
			if err := tx.AddBlind(r.From, r.To); err != nil {
				return err
			}
		}
		stats, err := tx.Stats()
		equal(t, "blind", stats.Blind, []tower.Range{{From: 10, To: 25}, {From: 30, To: 30}})
		if err != nil {
			return err
		}
		for height, want := range map[uint32]bool{0: false, 9: false, 10: true, 25: true, 26: false, 30: true, 31: false} {
			got, err := tx.IsBlind(height)
			if err != nil {
				return err
			}
			equal(t, fmt.Sprint("blind at ", height), got, want)
		}
		return nil
	})
}

func noteTry(tx tower.Tx, tr responder.Tracker) error {
	_, err := tx.NoteTry(tr)
	return err
}
