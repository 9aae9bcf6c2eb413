package store

import (
	"database/sql"

	"vigil/internal/tower"
	"vigil/internal/tower/responder"
)

// Identity implements tower.StatsStore.
func (t *tx) Identity(name string) (value string, err error) {
	_, err = t.one("read identity", `SELECT value FROM identity WHERE name = ?`, []any{name}, []any{&value})
	return value, err
}

// SetIdentity implements tower.StatsStore.
func (t *tx) SetIdentity(name, value string) error {
	_, err := t.exec("write identity", `
		INSERT INTO identity (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// Stats implements tower.StatsStore.
func (t *tx) Stats() (tower.Stats, error) {
	var s tower.Stats
	_, err := t.one("count", `
		SELECT (SELECT COUNT(*) FROM trackers WHERE spend = ?),
		       (SELECT COUNT(*) FROM trackers WHERE spend = ?),
		       (SELECT COUNT(*) FROM trackers WHERE spend IN (?, ?)),
		       (SELECT COUNT(*) FROM resolutions WHERE spend = ?),
		       (SELECT COUNT(*) FROM resolutions WHERE spend = ?),
		       COALESCE((SELECT MIN(height) FROM recent_blocks), 0),
		       (SELECT COUNT(*) FROM trackers WHERE spend = ? AND tries > 0 AND accepted = 0),
		       COALESCE((SELECT reason FROM trackers WHERE spend = ? AND tries > 0 AND accepted = 0
		                 ORDER BY tries DESC LIMIT 1), ''),
		       COALESCE((SELECT MIN(t.dispute_height + a.to_self_delay) FROM trackers t JOIN appointments a ON a.id = t.id
		                 WHERE t.spend = ? AND t.tries > 0 AND t.accepted = 0 AND t.doubtful = 0 AND t.dispute_height > 0), 0),
		       (SELECT COUNT(*) FROM knocks)`,
		[]any{
			responder.Unspent, responder.ByPenalty, responder.ByRival, responder.Replaced,
			responder.ByPenalty, responder.ByRival, responder.Unspent, responder.Unspent, responder.Unspent,
		},
		[]any{
			&s.Pending, &s.Confirmed, &s.Rivalled, &s.Resolved, &s.Lost, &s.RecentFrom,
			&s.Refused, &s.Refusal, &s.RefusedUntil, &s.Knocks,
		})
	if err != nil {
		return s, err
	}
	counted, err := t.counted()
	if err != nil {
		return s, err
	}
	s.Users, s.Appointments, s.Bytes = uint64(counted.users), uint64(counted.appointments), uint64(counted.bytes) //nolint:gosec // counts
	err = t.all("list blind ranges", `SELECT from_height, to_height FROM blind_ranges ORDER BY from_height`, nil,
		func(rows *sql.Rows) error {
			var r tower.Range
			err := rows.Scan(&r.From, &r.To)
			s.Blind = append(s.Blind, r)
			return err
		})
	return s, err
}
