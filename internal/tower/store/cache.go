package store

import (
	"context"
	"database/sql"
	"fmt"
)

// SQLite as it is built for Go (SQLITE_ENABLE_MEMORY_MANAGEMENT) keeps the pages of
// all connections in one cache, which holds as many as the limits of all connections
// come to. A connection beyond its own limit takes the page that was used least, whose
// ever it was, and gives it back when it reads after a change. A connection below its
// limit takes a new one; but where the cache is full, that one is dropped as soon as it
// is not in use. So readers that had much to read would leave the writer without a
// cache until each of them has read again: it would read all that it needs from the
// file for each request.
//
// One connection that reads nothing therefore adds to the limit as much as the writer
// may use. Sizes are in KiB, with a minus as SQLite wants it.
const (
	writerCache = "cache_size(-6000)"
	readerCache = "cache_size(-1000)"
	spareCache  = writerCache
)

// openSpare returns the connection that only makes room.
func openSpare(ctx context.Context, file string) (*sql.DB, error) {
	db, err := open(file, "deferred", 1, append([]string{"query_only(1)", spareCache}, pragmas...))
	if err != nil {
		return nil, err
	}
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open the store %s: %w", file, named(err))
	}
	return db, nil
}
