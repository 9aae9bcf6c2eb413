package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// partial is a backup that is being written, in a directory of its own beside the
// file that it will be, with whatever SQLite puts beside a copy. The directory
// is locked meanwhile (the copy is not: SQLite has its own locks on it), which
// tells it from what a killed backup left.
type partial struct {
	of   string // the file that it will be
	dir  string
	name string // the copy's, in dir
	copy *os.File
	lock *os.File
}

// copyName is the copy in a partial's directory; journals are what SQLite may put
// beside a file.
const copyName = "copy"

var journals = []string{"-journal", "-wal", "-shm"}

// newPartial begins a backup, and removes what killed ones of the same name left.
func newPartial(of string) (p *partial, err error) {
	in, base := filepath.Split(of)
	removeLeftovers(in, base)
	p = &partial{of: of}
	if p.dir, err = os.MkdirTemp(in, "."+base+".*"+partEnding); err != nil { // mode 0700
		return nil, err
	}
	p.lock, _ = locked(p.dir) // without, it is only never removed by others
	p.name = filepath.Join(p.dir, copyName)
	// Before SQLite does: it would be for everybody to read.
	if p.copy, err = os.OpenFile(p.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close removes all of it: what was to stay has another name by now.
func (p *partial) Close() error {
	err := os.RemoveAll(p.dir)
	if p.copy != nil {
		_ = p.copy.Close()
	}
	if p.lock != nil {
		_ = p.lock.Close()
	}
	return err
}

// complete makes a copy one file without a log beside it, adds the extra and the
// digest, and brings it to the disk.
func (p *partial) complete(ctx context.Context, extra map[string][]byte) error {
	db, err := open(p.name, "immediate", 1, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range []string{
		`PRAGMA locking_mode = EXCLUSIVE`, // first: so no shared memory is made, a file on a disk that may be full
		`PRAGMA journal_mode = DELETE`,
		`PRAGMA synchronous = FULL`,
		`DROP TABLE IF EXISTS backup`, // the store may be a backup that was put there by hand
		`CREATE TABLE backup (name TEXT PRIMARY KEY, value BLOB NOT NULL)`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	for name, value := range extra {
		if _, err := db.ExecContext(ctx, `INSERT INTO backup VALUES (?, ?)`, name, value); err != nil {
			return err
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := seal(ctx, p.copy); err != nil {
		return err
	}
	return p.copy.Sync()
}

const partEnding = ".part"

// removeLeftovers removes the directories of backups of a name that nobody works
// in. What it can't remove does no harm but take room.
func removeLeftovers(in, base string) {
	entries, err := os.ReadDir(in)
	if err != nil {
		return // making a new one there will say so
	}
	for _, e := range entries {
		number, is := strings.CutPrefix(e.Name(), "."+base+".")
		number, ends := strings.CutSuffix(number, partEnding)
		if e.IsDir() && is && ends && strings.Trim(number, "0123456789") == "" {
			removeLeftover(filepath.Join(in, e.Name()))
		}
	}
}

// removeLeftover removes nothing that a backup does not make.
func removeLeftover(dir string) {
	lock, err := locked(dir)
	if err != nil {
		return
	}
	defer lock.Close()
	_ = removeWithJournals(filepath.Join(dir, copyName))
	_ = os.Remove(dir)
}

// locked takes a directory's lock, which ends with the process.
func locked(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// removeWithJournals removes a file and what SQLite put beside it. They need not
// be there.
func removeWithJournals(file string) (err error) {
	for _, ending := range append([]string{""}, journals...) {
		if e := os.Remove(file + ending); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// publish gives a finished file its name, unless there is one of that name.
func publish(part, file string) error {
	err := os.Link(part, file)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s: %w", file, os.ErrExist)
	}
	if err != nil {
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
