package store

import (
	"context"
	"errors"
	"fmt"
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
// written meanwhile waits in the write-ahead log.
func (db *DB) Backup(ctx context.Context, file string, extra map[string][]byte) (err error) {
	defer func() { err = named(err) }()
	if !filepath.IsAbs(file) {
		return fmt.Errorf("%s: %w", file, ErrRelative)
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s: %w", file, os.ErrExist)
	}
	part, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*.part") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, part.Close())
		_ = os.Remove(part.Name()) // it has its name by now, or failed
	}()
	if err := db.copyTo(ctx, part); err != nil {
		return err
	}
	if err := complete(ctx, part.Name(), extra); err != nil {
		return err
	}
	if err := part.Sync(); err != nil {
		return err
	}
	return publish(part.Name(), file)
}

// copyTo copies a snapshot to a file.
func (db *DB) copyTo(ctx context.Context, to *os.File) error {
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
	return conn.Raw(func(driver any) error {
		source, ok := driver.(interface {
			NewBackup(file string) (*sqlite.Backup, error)
		})
		if !ok {
			return errors.New("the driver makes no backups")
		}
		b, err := source.NewBackup(to.Name())
		if err != nil {
			return err
		}
		return errors.Join(step(ctx, b, to), b.Finish())
	})
}

// step copies all pages. What was copied is brought to the disk in small parts,
// too: a large one at the end would hold up everybody's commits.
func step(ctx context.Context, b *sqlite.Backup, to *os.File) error {
	pause := time.NewTicker(backupPause)
	defer pause.Stop()
	for {
		more, err := b.Step(backupPages)
		if err != nil || !more {
			return err
		}
		if err := to.Sync(); err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// name is the store's file.
func (db *DB) name(ctx context.Context) (name string, err error) {
	err = db.View(ctx, func(x tower.Tx) error {
		_, err := x.(*tx).one("look for the file's name", `SELECT file FROM pragma_database_list WHERE name = 'main'`,
			nil, []any{&name})
		return err
	})
	return name, err
}

// complete makes a copy one file without a log beside it, and adds the extra.
func complete(ctx context.Context, file string, extra map[string][]byte) error {
	db, err := open(file, "immediate", 1, []string{"journal_mode(DELETE)", "synchronous(FULL)"})
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `CREATE TABLE backup (name TEXT PRIMARY KEY, value BLOB NOT NULL)`); err != nil {
		return err
	}
	for name, value := range extra {
		if _, err := db.ExecContext(ctx, `INSERT INTO backup VALUES (?, ?)`, name, value); err != nil {
			return err
		}
	}
	return db.Close()
}

// publish gives a finished file its name, unless there is one of that name.
func publish(part, file string) error {
	err := os.Link(part, file)
	if err != nil && !errors.Is(err, os.ErrExist) {
		// Some file systems have no links.
		if _, errStat := os.Lstat(file); errors.Is(errStat, os.ErrNotExist) {
			err = os.Rename(part, file)
		}
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
