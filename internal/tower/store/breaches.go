package store

import (
	"database/sql"
	"math"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/watcher"
)

// AddResolution implements tower.UserStore.
func (t *tx) AddResolution(r tower.Resolution) error {
	tr := r.Tracker
	n, err := t.exec("keep a resolution", `
		INSERT INTO resolutions (appointment_id, public_key, locator, to_self_delay, dispute_txid, dispute_height,
			penalty_txid, spend, spender_txid, spent_height, tries, tried_height, accepted, reason, doubtful,
			height, resolved_at)
		SELECT a.id, u.public_key, a.locator, a.to_self_delay, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
		FROM appointments a JOIN users u ON u.id = a.user_id WHERE a.id = ?`,
		tr.Dispute.ID[:], tr.DisputeAt, tr.Penalty.ID[:], tr.Spend, tr.Spender[:], tr.SpentAt,
		tr.Tries, tr.TriedAt, tr.Accepted, tr.Reason, tr.Doubtful,
		r.Height, r.When.UTC().Format(time.RFC3339), tr.Row)
	if err := one(n, err, "keep a resolution"); err != nil {
		return err
	}
	return t.addEvidence(tr.Row, tr.Dispute)
}

// state is a tracker's state by the words of tower.BreachState.
const state = `
	CASE WHEN spend = 0 AND tries > 0 AND accepted = 0 THEN 'refused'
	     WHEN spend = 0 THEN 'pending' WHEN spend = 1 THEN 'confirmed'
	     WHEN spend = 2 THEN 'rivalled' ELSE 'replaced' END`

const selectBreaches = `
	SELECT t.id, ` + state + ` AS state, public_key, locator, to_self_delay, dispute_txid, dispute_height,
	       penalty_txid, CASE penalty_txid WHEN x'' THEN encrypted_blob END AS blob, spend, spender_txid, spent_height,
	       tries, tried_height, accepted, reason, doubtful, 0 AS height, '' AS resolved_at
	FROM trackers t
	JOIN appointments a ON a.id = t.id
	JOIN users u ON u.id = a.user_id
	WHERE t.id < ?1 AND t.id > ?4 AND (?2 = '' OR state = ?2)
	UNION ALL
	SELECT appointment_id, CASE spend WHEN 1 THEN 'resolved' ELSE 'lost' END AS state,
	       public_key, locator, to_self_delay, dispute_txid, dispute_height,
	       penalty_txid, NULL, spend, spender_txid, spent_height,
	       tries, tried_height, accepted, reason, doubtful, height, resolved_at
	FROM resolutions
	WHERE appointment_id < ?1 AND appointment_id > ?4 AND (?2 = '' OR state = ?2)
	ORDER BY 1 DESC LIMIT ?3`

// Breaches implements tower.BreachStore.
func (t *tx) Breaches(q tower.BreachQuery) ([]tower.Breach, error) {
	before := q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	return t.breaches(math.MinInt64, before, q.State, q.Limit)
}

// BreachIn implements tower.BreachStore.
func (t *tx) BreachIn(row int64) (b tower.Breach, found bool, err error) {
	if row == math.MinInt64 || row == math.MaxInt64 {
		return b, false, nil
	}
	one, err := t.breaches(row-1, row+1, "", 1)
	if err != nil || len(one) == 0 {
		return b, false, err
	}
	return one[0], true, nil
}

// breaches returns those between two rows.
func (t *tx) breaches(after, before int64, s tower.BreachState, limit int) ([]tower.Breach, error) {
	var found []tower.Breach
	err := t.all("list breaches", selectBreaches, []any{before, s, limit, after}, func(rows *sql.Rows) error {
		b, err := scanBreach(rows)
		found = append(found, b)
		return err
	})
	return found, err
}

func scanBreach(s scanner) (b tower.Breach, err error) {
	var user, locator, dispute, penalty, blob, spender []byte
	var when string
	err = s.Scan(&b.Row, &b.State, &user, &locator, &b.ToSelfDelay, &dispute, &b.DisputeAt,
		&penalty, &blob, &b.Spend, &spender, &b.SpentAt,
		&b.Tries, &b.TriedAt, &b.Accepted, &b.Reason, &b.Doubtful, &b.Over, &when)
	if err != nil {
		return b, err
	}
	copy(b.User[:], user) // not parsed: that of an old resolution may be unknown
	if b.Locator, err = teos.LocatorFromBytes(locator); err != nil {
		return b, err
	}
	if err := setHash(&b.Dispute.ID, dispute); err != nil {
		return b, err
	}
	if err := setHash(&b.Spender, spender); err != nil {
		return b, err
	}
	if blob == nil {
		err = setHash(&b.Penalty.ID, penalty)
	} else { // of the first schema
		b.Penalty, err = watcher.Penalty(b.Dispute.ID, blob)
	}
	if err == nil && when != "" {
		b.When, err = time.Parse(time.RFC3339, when)
	}
	return b, err
}
