package store

import (
	"database/sql"

	"vigil/internal/teos"
	"vigil/internal/tower"
)

var _ tower.AdoptStore = (*tx)(nil)

// Settled implements tower.AdoptStore.
func (t *tx) Settled(f func(teos.UserID, teos.Locator)) error {
	return t.all("list what is over", `SELECT public_key, locator FROM resolutions`, nil, func(rows *sql.Rows) error {
		var user, locator []byte
		if err := rows.Scan(&user, &locator); err != nil {
			return err
		}
		var id teos.UserID
		copy(id[:], user)
		l, err := teos.LocatorFromBytes(locator)
		f(id, l)
		return err
	})
}
