// Package store keeps the tower's data in an SQL database: SQLite in a file.
// It is the only user of database/sql.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"modernc.org/sqlite" // also the driver "sqlite", pure Go
	sqlite3 "modernc.org/sqlite/lib"

	"vigil/internal/tower"
)

// DB is a store in one SQLite file, which must be written to by nobody else.
// Readers see a snapshot and never wait for the writer; writers take turns, and
// those that stand in line share a commit.
type DB struct {
	write, read *sql.DB
	line        line
	writer      *conn        // whose turn it is has it
	version     version      // that the writer saw last
	readers     chan *conn   // that are idle
	rowsRead    atomic.Int64 // by readers, since the page cache was emptied
	onCommit    atomic.Pointer[func(together int, took time.Duration)]
	file        atomic.Pointer[string] // its name, once it was asked for
	memory
	keeper
}

// pragmas of every connection. With a write-ahead log, synchronous=FULL is
// what makes a commit survive the loss of power: NORMAL would lose the last
// ones, and a receipt with them.
var pragmas = []string{
	"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	"busy_timeout(5000)", "temp_store(MEMORY)",
}

// birth is for the connection that makes a store: space that deletions leave can
// only be given back if that was said before anything was written.
const birth = "auto_vacuum(INCREMENTAL)"

const (
	readers     = 4
	writerCache = "cache_size(-8000)" // KiB
	readerCache = "cache_size(-2000)"
)

// Open opens or creates the store in a file and brings its schema up to date.
// It refuses a store of a newer version. Damage inside the file shows when it
// is met: checking all of it at each start would take minutes in a large one.
func Open(ctx context.Context, file string) (*DB, error) {
	if err := create(ctx, file); err != nil {
		return nil, err
	}
	write, err := open(file, "immediate", 1, append(slices.Clip(pragmas), writerCache))
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, write); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store %s: %w", file, named(err)), write.Close())
	}
	read, err := open(file, "deferred", readers, append([]string{"query_only(1)", readerCache}, pragmas...))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	db := &DB{write: write, read: read, writer: newConn(write), readers: make(chan *conn, readers)}
	for range readers {
		db.readers <- newConn(read)
	}
	db.keeper.start(db)
	return db, nil
}

// create makes the file, if it is not there or empty, readable for this user only,
// and with it the files that SQLite puts beside it.
func create(ctx context.Context, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil || info.Size() > 0 {
		return err
	}
	db, err := open(file, "immediate", 1, append([]string{birth}, pragmas...))
	if err != nil {
		return err
	}
	if err := errors.Join(migrate(ctx, db), db.Close()); err != nil {
		return fmt.Errorf("make the store %s: %w", file, named(err))
	}
	return nil
}

func open(file, lock string, conns int, pragmas []string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(file, url.Values{"_txlock": {lock}, "_pragma": pragmas}))
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", file, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// dsn names a file to the driver, whatever characters its name has.
func dsn(file string, q url.Values) string {
	name := url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: q.Encode()}
	return name.String()
}

// Close waits for what runs and closes the store.
func (db *DB) Close() error {
	db.keeper.stop()
	if err := db.line.enter(context.Background()); err != nil {
		return err
	}
	if b := db.line.batch; b != nil {
		db.settle(b)
	}
	db.line.close()
	err := db.writer.close()
	for range readers {
		c := <-db.readers
		err = errors.Join(err, c.close())
	}
	close(db.readers)
	return errors.Join(err, db.read.Close(), db.write.Close())
}

// View implements tower.Store.
func (db *DB) View(ctx context.Context, f func(tower.Tx) error) (err error) {
	defer func() { err = named(err) }()
	var c *conn
	select {
	case c = <-db.readers:
	case <-ctx.Done():
		return fmt.Errorf("wait for a connection: %w", ctx.Err())
	}
	if c == nil {
		return errClosed
	}
	defer func() { db.readers <- c }()
	if err := c.begin(ctx, "BEGIN DEFERRED"); err != nil {
		return err
	}
	defer c.end(nil) // nothing was changed
	t := &tx{ctx: ctx, conn: c, memory: &db.memory}
	defer func() { db.rowsRead.Add(t.read) }()
	return f(t)
}

// errClosed is what a store answers that was closed.
var errClosed = errors.New("the store is closed")

// primaryCode is the part of a code of SQLite's that says what is wrong; the rest
// only says more.
const primaryCode = 0xff

// named marks what the file or its disk is to blame for as tower.ErrStore. What
// else SQLite complains of (a constraint, a statement) is a defect of ours.
func named(err error) error {
	var driver *sqlite.Error
	if errors.Is(err, tower.ErrStore) || errors.Is(err, ErrTarget) || !errors.As(err, &driver) {
		return err
	}
	switch driver.Code() & primaryCode {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w: %w", tower.ErrStore, tower.ErrFull, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w: %w", tower.ErrStore, tower.ErrDamaged, err)
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL:
		return fmt.Errorf("%w: %w", tower.ErrStore, err)
	}
	return err
}

var _ tower.Store = (*DB)(nil)
