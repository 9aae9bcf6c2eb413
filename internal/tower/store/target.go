package store

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrTarget says that a backup can't be written where it is to go: no fault of
// the store, so never together with tower.ErrStore.
var ErrTarget = errors.New("the backup can't be written")

// atTarget names the file that is to be blamed for an error. What ctx ended is
// nobody's fault.
func atTarget(ctx context.Context, file string, err error) error {
	var driver *sqlite.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &driver) && driver.Code()&primaryCode == sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %s: the disk is full there", ErrTarget, file)
	}
	return fmt.Errorf("%w: %s: %w", ErrTarget, file, err)
}

// atSource tells whether an error of a copy between two files is that of the one
// that is read.
func atSource(err error) bool {
	var driver *sqlite.Error
	if !errors.As(err, &driver) {
		return false
	}
	switch driver.Code() {
	case sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ,
		sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_IOERR_SHMLOCK, sqlite3.SQLITE_IOERR_SHMSIZE:
		return true
	}
	switch driver.Code() & primaryCode {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM:
		return true
	}
	return false
}
