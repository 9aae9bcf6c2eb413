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

	"modernc.org/sqlite" // also the driver "sqlite", pure Go
	sqlite3 "modernc.org/sqlite/lib"

	"vigil/internal/tower"
)

// DB is a store in one SQLite file. Readers see a snapshot and never wait for
// the writer; writers take turns.
type DB struct {
	write, read *sql.DB
}

// pragmas of every connection. With a write-ahead log, synchronous=FULL is
// what makes a commit survive the loss of power: NORMAL would lose the last
// ones, and a receipt with them.
var pragmas = []string{
	"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	"busy_timeout(5000)", "cache_size(-16000)",
}

const readers = 4

// Open opens or creates the store in a file and brings its schema up to date.
// It refuses a store of a newer version. Damage inside the file shows when it
// is met: checking all of it at each start would take minutes in a large one.
func Open(ctx context.Context, file string) (*DB, error) {
	if err := private(file); err != nil {
		return nil, err
	}
	write, err := open(file, "immediate", 1, pragmas)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, write); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store %s: %w", file, named(err)), write.Close())
	}
	read, err := open(file, "deferred", readers, append([]string{"query_only(1)"}, pragmas...))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &DB{write: write, read: read}, nil
}

// private makes a new store readable for this user only, and with it the files
// that SQLite puts beside it.
func private(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	return f.Close()
}

func open(file, lock string, conns int, pragmas []string) (*sql.DB, error) {
	q := url.Values{"_txlock": {lock}, "_pragma": pragmas}
	name := url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", file, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// Close waits for what runs and closes the store.
func (db *DB) Close() error {
	return errors.Join(db.read.Close(), db.write.Close())
}

// Update implements tower.Store.
func (db *DB) Update(ctx context.Context, f func(tower.Tx) error) error {
	return inTx(ctx, db.write, f)
}

// View implements tower.Store.
func (db *DB) View(ctx context.Context, f func(tower.Tx) error) error {
	return inTx(ctx, db.read, f)
}

func inTx(ctx context.Context, db *sql.DB, f func(tower.Tx) error) (err error) {
	defer func() { err = named(err) }()
	sqlTx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	// Also on a panic: a transaction that stays open would stop every
	// writer after it.
	committed := false
	defer func() {
		if !committed {
			_ = sqlTx.Rollback()
		}
	}()
	if err := f(&tx{ctx: ctx, sql: sqlTx}); err != nil {
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		// database/sql may say "done already" where the context ended.
		return fmt.Errorf("commit: %w", errors.Join(err, ctx.Err()))
	}
	committed = true
	return nil
}

// named marks what the file or its disk is to blame for as tower.ErrStore. What
// else SQLite complains of (a constraint, a statement) is a defect of ours.
func named(err error) error {
	var driver *sqlite.Error
	if !errors.As(err, &driver) {
		return err
	}
	const primary = 0xff // the rest of a code only says more
	switch driver.Code() & primary {
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

// tx implements tower.Tx. Each method of it is one statement or a few.
type tx struct {
	ctx context.Context //nolint:containedctx // a tx lives as long as the call that it serves
	sql *sql.Tx
}

var _ tower.Store = (*DB)(nil)

// exec runs a statement and names it in the error.
func (t *tx) exec(what, query string, args ...any) (int64, error) {
	r, err := t.sql.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

// one scans a single row; found is false where there is none.
func (t *tx) one(what, query string, args, dest []any) (found bool, err error) {
	err = t.sql.QueryRowContext(t.ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return true, nil
}

// all calls scan for each row.
func (t *tx) all(what, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := t.sql.QueryContext(t.ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
