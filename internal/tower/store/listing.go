package store

import (
	"database/sql"

	"vigil/internal/teos"
	"vigil/internal/tower"
)

// A blob's length is in the head of its row: the blob itself is not read.
const selectListing = `
	SELECT a.id, locator, (SELECT public_key FROM users WHERE users.id = a.user_id),
	       LENGTH(encrypted_blob), to_self_delay, start_block,
	       EXISTS (SELECT 1 FROM trackers WHERE trackers.id = a.id)
	FROM appointments a `

// Listing implements tower.ListStore.
func (t *tx) Listing(q tower.ListingQuery, owner int64) ([]tower.Listed, error) {
	const page = ` AND a.id > ? ORDER BY a.id LIMIT ?`
	switch {
	case q.Locator != nil && q.User != nil:
		return t.listing(`WHERE locator = ? AND user_id = ?`+page, q.Locator[:], owner, q.After, q.Limit)
	case q.Locator != nil:
		return t.listing(`WHERE locator = ?`+page, q.Locator[:], q.After, q.Limit)
	case q.User != nil:
		return t.listing(`WHERE user_id = ?`+page, owner, q.After, q.Limit)
	}
	return t.listing(`WHERE TRUE`+page, q.After, q.Limit)
}

func (t *tx) listing(where string, args ...any) ([]tower.Listed, error) {
	var found []tower.Listed
	err := t.all("list appointments", selectListing+where, args, func(rows *sql.Rows) error {
		var l tower.Listed
		var locator, user []byte
		err := rows.Scan(&l.Row, &locator, &user, &l.Size, &l.ToSelfDelay, &l.StartBlock, &l.Triggered)
		if err != nil {
			return err
		}
		if l.Locator, err = teos.LocatorFromBytes(locator); err != nil {
			return err
		}
		copy(l.User[:], user)
		found = append(found, l)
		return nil
	})
	return found, err
}
