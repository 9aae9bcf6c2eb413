package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"

	"vigil/internal/tower"
)

const (
	// backupPages is how many pages are copied in one step, a megabyte, and
	// backupPause how long a step leaves processor and disk to others.
	backupPages = 256
	backupPause = 2 * time.Millisecond
)

// ErrRelative is what a backup to a relative path fails with.
var ErrRelative = errors.New("name an absolute path: the tower does not run in your directory")

// Backup writes a copy of the store, as it is now, to a new file, and beside the
// store's tables one that holds extra. It never overwrites a file. Nobody
// waits for it: the copy is of one snapshot, taken in small steps, and what is
// written meanwhile waits in the write-ahead log. It gets its name once it was read
// back and found good. What fails at the file or its disk is an ErrTarget, and
// leaves nothing.
func (db *DB) Backup(ctx context.Context, file string, extra map[string][]byte) (c Copy, err error) {
	if !filepath.IsAbs(file) {
		return c, fmt.Errorf("%s: %w", file, ErrRelative)
	}
	if _, err := os.Lstat(file); err == nil {
		return c, fmt.Errorf("%s: %w", file, os.ErrExist)
	}
	p, err := newPartial(file)
	if err != nil {
		return c, atTarget(ctx, file, err)
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := db.copyTo(ctx, p); err != nil {
		return c, err
	}
	if err := p.complete(ctx, extra); err != nil {
		return c, atTarget(ctx, file, err)
	}
	if c, err = ReadBackup(ctx, p.name); err != nil {
		return c, atTarget(ctx, file, err)
	}
	return c, atTarget(ctx, file, publish(p.name, file))
}

// copyTo copies a snapshot.
func (db *DB) copyTo(ctx context.Context, to *partial) (err error) {
	defer func() { err = named(err) }()
	db.backups.Add(1)
	defer db.backups.Add(-1)
	name, err := db.name(ctx)
	if err != nil {
		return err
	}
	from, err := open(name, "deferred", 1, append([]string{"query_only(1)", readerCache}, pragmas...))
	if err != nil {
		return err
	}
	defer from.Close()
	conn, err := from.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// While this transaction lasts, what others write is not in the copy. A
	// copy without it would begin anew with each commit.
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM schema_version`).Scan(&n); err != nil {
		return err
	}
	return conn.Raw(func(driver any) error { return copyPages(ctx, driver, to) })
}

// copyPages copies all that a connection sees.
func copyPages(ctx context.Context, from any, to *partial) error {
	source, ok := from.(interface {
		NewBackup(name string) (*sqlite.Backup, error)
	})
	if !ok {
		return errors.New("the driver makes no backups")
	}
	// It needs no journal: half a copy is thrown away.
	b, err := source.NewBackup(dsn(to.name, url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)"}}))
	if err != nil {
		return atTarget(ctx, to.of, err)
	}
	err = step(ctx, b, to)
	if errFinish := b.Finish(); err == nil {
		err = errFinish
	}
	if err != nil && !atSource(err) {
		err = atTarget(ctx, to.of, err)
	}
	return err
}

// step copies all pages. What was copied is brought to the disk in small parts,
// too: a large one at the end would hold up everybody's commits.
func step(ctx context.Context, b *sqlite.Backup, to *partial) error {
	pause := time.NewTicker(backupPause)
	defer pause.Stop()
	for {
		more, err := b.Step(backupPages)
		if err != nil || !more {
			return err
		}
		if err := to.copy.Sync(); err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// name is the store's file, by the path under which it was opened.
func (db *DB) name(ctx context.Context) (name string, err error) {
	if known := db.file.Load(); known != nil {
		return *known, nil
	}
	err = db.View(ctx, func(x tower.Tx) error {
		_, err := x.(*tx).one("look for the file's name", `SELECT file FROM pragma_database_list WHERE name = 'main'`,
			nil, []any{&name})
		return err
	})
	if err == nil {
		db.file.Store(&name)
	}
	return name, err
}
