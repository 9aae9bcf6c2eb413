package store

import (
	"context"

	"vigil/internal/tower"
)

// SQLite as it is built for Go (SQLITE_ENABLE_MEMORY_MANAGEMENT) keeps the pages of
// all connections in one cache, which holds as many as the limits of all connections
// come to. A connection at its own limit takes the page that was used least, whose
// ever it was, and grows; it gives them back when it reads after a change. A connection
// below its limit takes a new one; but where the cache is full, that one is dropped as
// soon as it is not in use. So readers that had much to read would leave the writer
// without a cache until each of them has read again: it would read all that it needs
// from the file for each request.
//
// After much was read the keeper therefore empties the cache of all. What is needed
// comes back from the system's, some thousand pages.

// muchRead is after how many rows that is done.
const muchRead = 1000

// disperse empties the page cache if much was read.
func (db *DB) disperse(ctx context.Context) error {
	if db.rowsRead.Load() < muchRead {
		return nil
	}
	db.rowsRead.Store(0)
	return db.View(ctx, func(x tower.Tx) error {
		_, err := x.(*tx).exec("empty the page cache", `PRAGMA shrink_memory`)
		return err
	})
}
