package store

import (
	"database/sql"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// current is the judged height of the trackers that are judged up to one and the
// same height, which is that of the totals: a block then moves all of them at
// once. The others lag behind it. It is above all heights.
const current int64 = 1 << 32

const selectTracker = `
	SELECT t.id, dispute_txid, raw, dispute_height, encrypted_blob, spent_outputs,
	       CASE judged_height WHEN 4294967296 THEN (SELECT judged FROM totals) ELSE judged_height END,
	       spend, spender_txid, spent_height, tries, tried_height, accepted, reason, doubtful
	FROM trackers t
	JOIN appointments a ON a.id = t.id
	LEFT JOIN disputes ON txid = dispute_txid `

func scanTracker(s scanner) (responder.Tracker, error) {
	var t responder.Tracker
	var dispute, disputeRaw, blob, spent, spender []byte
	err := s.Scan(&t.Row, &dispute, &disputeRaw, &t.DisputeAt, &blob, &spent, &t.Judged,
		&t.Spend, &spender, &t.SpentAt, &t.Tries, &t.TriedAt, &t.Accepted, &t.Reason, &t.Doubtful)
	if err != nil {
		return t, err
	}
	if err := setHash(&t.Dispute.ID, dispute); err != nil {
		return t, err
	}
	if err := setHash(&t.Spender, spender); err != nil {
		return t, err
	}
	if disputeRaw != nil {
		if t.Dispute, err = chain.ParseTx(disputeRaw); err != nil {
			return t, err
		}
	}
	// One that is damaged must not keep all others from being published.
	if t.Penalty, err = watcher.Penalty(t.Dispute.ID, blob); err != nil {
		t.Penalty = chain.Tx{}
	}
	t.Spent, err = outputsFromBytes(spent)
	return t, err
}

// trackers returns the trackers of a query.
func (t *tx) trackers(what, where string, args ...any) ([]responder.Tracker, error) {
	var found []responder.Tracker
	err := t.all(what, selectTracker+where, args, func(rows *sql.Rows) error {
		tr, err := scanTracker(rows)
		found = append(found, tr)
		return err
	})
	return found, err
}

// Tracker implements responder.Store.
func (t *tx) Tracker(row int64) (responder.Tracker, error) {
	found, err := t.trackers("read a tracker", `WHERE t.id = ?`, row)
	if err != nil {
		return responder.Tracker{}, err
	}
	if len(found) == 0 {
		return responder.Tracker{}, responder.ErrNoTracker
	}
	return found[0], nil
}

// InsertTracker implements responder.Store.
func (t *tx) InsertTracker(tr responder.Tracker) error {
	_, err := t.exec("insert a tracker", `
		INSERT INTO trackers (dispute_txid, dispute_height, penalty_txid, spent_outputs, judged_height,
			spend, spender_txid, spent_height, tries, tried_height, accepted, reason, doubtful, id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, trackerValues(tr)...)
	if err != nil {
		return err
	}
	return t.putDispute(tr.Dispute)
}

// PutTracker implements responder.Store.
func (t *tx) PutTracker(tr responder.Tracker) error {
	n, err := t.exec("update a tracker", `
		UPDATE trackers SET dispute_txid = ?, dispute_height = ?, penalty_txid = ?, spent_outputs = ?,
			judged_height = ?, spend = ?, spender_txid = ?, spent_height = ?,
			tries = ?, tried_height = ?, accepted = ?, reason = ?, doubtful = ?
		WHERE id = ?`, trackerValues(tr)...)
	if err := one(n, err, "update a tracker"); err != nil {
		return err
	}
	return t.putDispute(tr.Dispute)
}

// putDispute keeps the bytes of a dispute, once for all its trackers.
func (t *tx) putDispute(tx chain.Tx) error {
	if tx.Raw == nil {
		return nil
	}
	_, err := t.exec("keep a dispute", `INSERT INTO disputes (txid, raw) VALUES (?, ?) ON CONFLICT DO NOTHING`,
		tx.ID[:], tx.Raw)
	return err
}

func trackerValues(tr responder.Tracker) []any {
	return []any{
		tr.Dispute.ID[:], tr.DisputeAt, tr.Penalty.ID[:], outputsToBytes(tr.Spent), tr.Judged,
		tr.Spend, tr.Spender[:], tr.SpentAt, tr.Tries, tr.TriedAt, tr.Accepted, tr.Reason, tr.Doubtful, tr.Row,
	}
}

// NoteTry implements responder.Store. A tracker that is gone meanwhile is
// none of its business, nor is one whose dispute has moved: that is due anew.
func (t *tx) NoteTry(tr responder.Tracker) (noted bool, err error) {
	n, err := t.exec("note a try", `
		UPDATE trackers SET tries = ?, tried_height = ?, accepted = ?, reason = ?, doubtful = doubtful OR ?
		WHERE id = ? AND dispute_height = ?`,
		tr.Tries, tr.TriedAt, tr.Accepted, tr.Reason, tr.Doubtful, tr.Row, tr.DisputeAt)
	return n > 0, err
}

// DropTracker implements responder.Store.
func (t *tx) DropTracker(row int64) error {
	if _, err := t.exec("drop watches", `DELETE FROM watches WHERE tracker_id = ?`, row); err != nil {
		return err
	}
	var dispute []byte
	if _, err := t.one("drop a tracker", `SELECT dispute_txid FROM trackers WHERE id = ?`,
		[]any{row}, []any{&dispute}); err != nil {
		return err
	}
	n, err := t.exec("drop a tracker", `DELETE FROM trackers WHERE id = ?`, row)
	if err := one(n, err, "drop a tracker"); err != nil {
		return err
	}
	return t.dropDispute(dispute)
}

// AddWatches implements responder.Store.
func (t *tx) AddWatches(ws []responder.Watch) error {
	for _, w := range ws {
		key := outputKey(&w.Outpoint)
		t.memory.outputs.add(key[:])
		_, err := t.exec("watch an output", `
			INSERT INTO watches (txid, vout, tracker_id, of_dispute) VALUES (?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, w.Outpoint.Hash[:], w.Outpoint.Index, w.Row, w.OfDispute)
		if err != nil {
			return err
		}
	}
	return nil
}

// WatchesOf implements responder.Store.
func (t *tx) WatchesOf(outpoints []wire.OutPoint) ([]responder.Watch, error) {
	some, err := t.one("look for watched outputs", `SELECT 1 FROM watches LIMIT 1`, nil, []any{new(int)})
	if err != nil || !some {
		return nil, err
	}
	var ws []responder.Watch
	for i := range outpoints {
		if key := outputKey(&outpoints[i]); !t.memory.outputs.mayHave(key[:]) {
			continue
		}
		err := t.all("match watched outputs", `
			SELECT tracker_id, of_dispute FROM watches WHERE txid = ? AND vout = ?`,
			[]any{outpoints[i].Hash[:], outpoints[i].Index}, func(rows *sql.Rows) error {
				w := responder.Watch{Outpoint: outpoints[i]}
				err := rows.Scan(&w.Row, &w.OfDispute)
				ws = append(ws, w)
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return ws, nil
}

// WithoutDispute implements responder.Store.
func (t *tx) WithoutDispute(height uint32) ([]responder.Tracker, error) {
	return t.trackers("list trackers without their dispute",
		`WHERE judged_height = ? AND dispute_height = ? AND spent_outputs IS NULL AND doubtful = 0`, int64(height)-1, height)
}

// SpentUpTo implements responder.Store.
func (t *tx) SpentUpTo(height uint32) ([]responder.Tracker, error) {
	return t.trackers("list buried trackers", `WHERE spend IN (?, ?, ?) AND spent_height <= ?`,
		responder.ByPenalty, responder.ByRival, responder.Replaced, height)
}

// Due implements responder.Store.
func (t *tx) Due(tip uint32, scope responder.Scope, after int64, limit int) ([]responder.Tracker, error) {
	const (
		what  = "list due penalties"
		order = ` ORDER BY t.id LIMIT ?`
		front = ` AND (doubtful = 0 OR accepted = 1 OR tried_height = 0)`
	)
	// Of what is unspent the spent height is 0, too: with it, the index has
	// the rows in their order.
	const unspent = `WHERE spend = ? AND spent_height = 0 AND t.id > ?`
	switch scope {
	case responder.Untried, responder.Doubtful:
		return t.trackers(what, `WHERE spend = ? AND tries = 0 AND doubtful = ? AND t.id > ?`+order,
			responder.Unspent, scope == responder.Doubtful, after, limit)
	case responder.AtBlock:
		return t.trackers(what, unspent+` AND tried_height < ?`+front+order,
			responder.Unspent, after, tip, limit)
	case responder.Refused:
		return t.trackers(what, `WHERE spend = ? AND accepted = 0 ORDER BY tries, t.id LIMIT ?`, responder.Unspent, limit)
	default:
		return t.trackers(what, unspent+front+order, responder.Unspent, after, limit)
	}
}

// SetJudged implements responder.Store.
func (t *tx) SetJudged(height uint32) error {
	judged, err := t.judged()
	if err != nil {
		return err
	}
	to := current
	switch {
	case height < judged:
		to = int64(height)
	case height > judged:
		if err := t.setJudged(height, judged+1 < height); err != nil {
			return err
		}
	}
	_, err = t.exec("set what is judged", `UPDATE trackers SET judged_height = ? WHERE judged_height = ?`,
		to, int64(height)-1)
	return err
}

func (t *tx) judged() (height uint32, err error) {
	_, err = t.one("read what is judged", `SELECT judged FROM totals`, nil, []any{&height})
	return height, err
}

// setJudged moves the height of all that are current. Where that leaves heights
// out, they stay where they are, and are current no more.
func (t *tx) setJudged(height uint32, gap bool) error {
	if gap {
		_, err := t.exec("leave behind what is judged", `
			UPDATE trackers SET judged_height = (SELECT judged FROM totals) WHERE judged_height = ?`, current)
		if err != nil {
			return err
		}
	}
	n, err := t.exec("move what is judged", `UPDATE totals SET judged = ?`, height)
	return one(n, err, "move what is judged")
}

// SkipJudging implements tower.BlockStore.
func (t *tx) SkipJudging(height uint32) error {
	judged, err := t.judged()
	if err != nil {
		return err
	}
	to := int64(height)
	if height >= judged {
		to = current
		if err := t.setJudged(height, false); err != nil {
			return err
		}
	}
	_, err = t.exec("skip what can't be judged", `UPDATE trackers SET judged_height = ? WHERE judged_height < ?`,
		to, height)
	return err
}

// Unjudged implements tower.BlockStore.
func (t *tx) Unjudged(tip uint32) (height uint32, found bool, err error) {
	var judged sql.NullInt64
	_, err = t.one("find what is not judged", `SELECT MIN(judged_height) FROM trackers WHERE judged_height < ?`,
		[]any{tip}, []any{&judged})
	return uint32(judged.Int64) + 1, judged.Valid, err //nolint:gosec // a height
}

// DecidedAbove implements responder.Store.
func (t *tx) DecidedAbove(height uint32) ([]responder.Tracker, error) {
	return t.trackers("list what is undone", `WHERE spent_height > ?1 OR dispute_height > ?1`, height)
}

// UndoAbove implements responder.Store.
func (t *tx) UndoAbove(height uint32) error {
	judged, err := t.judged()
	if err != nil {
		return err
	}
	to := int64(height)
	if height < judged {
		to = current
		if err := t.setJudged(height, false); err != nil {
			return err
		}
	}
	var none chainhash.Hash
	for _, undo := range []struct {
		query string
		args  []any
	}{
		{`UPDATE trackers SET spend = ?, spender_txid = ?, spent_height = 0, accepted = 0 WHERE spent_height > ?`,
			[]any{responder.Unspent, none[:], height}},
		{`UPDATE trackers SET dispute_height = 0 WHERE dispute_height > ?`, []any{height}},
		{`UPDATE trackers SET judged_height = ? WHERE judged_height > ? AND judged_height < ?`,
			[]any{to, height, current}},
		{`UPDATE trackers SET tried_height = 0 WHERE spend = ?`, []any{responder.Unspent}},
	} {
		if _, err := t.exec("undo a branch", undo.query, undo.args...); err != nil {
			return err
		}
	}
	return nil
}
