package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
)

// ErrNoBackup says that a file is no backup, or one that does not open any more.
var ErrNoBackup = errors.New("not a backup of vigil, or a damaged one")

// Copy is a backup that was checked.
type Copy struct {
	// Bytes is the file's size.
	Bytes int64
	// TowerID and Network are whose it is.
	TowerID, Network string
	// Height is the last block that was processed when it was made.
	Height              uint32
	Users, Appointments uint64
	// Extra is what was put beside the store's own tables.
	Extra map[string][]byte
}

// ReadBackup checks all of a backup and tells what is in it. It fails with
// ErrNoBackup or ErrNewer. The file is only read, and what lies beside it is not.
func ReadBackup(ctx context.Context, file string) (c Copy, err error) {
	f, err := os.Open(file)
	if err != nil {
		return c, err
	}
	defer f.Close()
	if err := unsealed(ctx, io.Discard, f); err != nil {
		return c, noBackup(file, err)
	}
	return readCopy(ctx, file)
}

// readCopy checks all of a backup but its digest.
func readCopy(ctx context.Context, file string) (c Copy, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return c, err
	}
	c.Bytes = info.Size()
	db, err := sql.Open("sqlite", dsn(file, url.Values{"mode": {"ro"}, "immutable": {"1"}, "_pragma": {"query_only(1)"}}))
	if err != nil {
		return c, err
	}
	defer db.Close()
	if err = c.read(ctx, db); err != nil && !errors.Is(err, ErrNewer) {
		err = noBackup(file, err)
	}
	return c, err
}

func noBackup(file string, err error) error { return fmt.Errorf("%s: %w: %w", file, ErrNoBackup, err) }

func (c *Copy) read(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil || verdict != "ok" {
		return errors.Join(fmt.Errorf("integrity_check says %.100q", verdict), err)
	}
	if _, err := pending(ctx, db); err != nil {
		return err
	}
	for name, value := range map[string]*string{"tower_id": &c.TowerID, "network": &c.Network} {
		err := db.QueryRowContext(ctx, `SELECT value FROM identity WHERE name = ?`, name).Scan(value)
		if err != nil {
			return fmt.Errorf("its %s: %w", name, err)
		}
	}
	err := db.QueryRowContext(ctx, `SELECT COALESCE((SELECT MAX(height) FROM blocks), 0),
		(SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM appointments)`).Scan(&c.Height, &c.Users, &c.Appointments)
	if err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, `SELECT name, value FROM backup`)
	if err != nil {
		return err
	}
	defer rows.Close()
	c.Extra = map[string][]byte{}
	for rows.Next() {
		var name string
		var value []byte
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		c.Extra[name] = value
	}
	return rows.Err()
}

// Restore makes the store in a file out of a backup that ReadBackup found good, and
// fails with ErrNoBackup if it changed since. The file must not be there.
func Restore(ctx context.Context, backup, file string) (err error) {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s: %w", file, os.ErrExist)
	}
	part := file + partEnding
	// A journal of a restore that was killed would be played into this one's copy.
	if err := removeWithJournals(part); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeWithJournals(part)) }()
	if err := copyStore(ctx, backup, part); err != nil {
		return err
	}
	if err := dropExtra(ctx, part); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return publish(part, file)
}

// dropExtra makes a store of a backup's copy.
func dropExtra(ctx context.Context, part string) error {
	db, err := open(part, "immediate", 1, []string{"synchronous(FULL)"})
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `DROP TABLE backup`)
	return errors.Join(err, db.Close())
}

// copyStore copies what is the store in a backup.
func copyStore(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = unsealed(ctx, out, in); errors.Is(err, errNoDigest) || errors.Is(err, errDigest) {
		err = noBackup(from, err)
	}
	return errors.Join(err, out.Sync(), out.Close())
}
