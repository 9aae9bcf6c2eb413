package store

import (
	"context"
	"errors"
	"os"

	"vigil/internal/tower"
)

// Size is how much room the store takes, in bytes.
type Size struct {
	// File is the store's file, with what the log beside it will add, Log is that
	// write-ahead log, and Free is what of File deletions left and is given back
	// soon.
	File, Log, Free int64
}

// Size returns it.
func (db *DB) Size(ctx context.Context) (s Size, err error) {
	var pages int64 // in bytes: some of them may be in the log only
	err = db.View(ctx, func(x tower.Tx) error {
		_, err := x.(*tx).one("count free bytes",
			`SELECT freelist_count * page_size, page_count * page_size FROM pragma_freelist_count, pragma_page_count, pragma_page_size`,
			nil, []any{&s.Free, &pages})
		return err
	})
	if err != nil {
		return s, err
	}
	name, err := db.name(ctx)
	if err != nil {
		return s, err
	}
	for file, size := range map[string]*int64{name: &s.File, name + "-wal": &s.Log} {
		info, err := os.Stat(file)
		if err == nil {
			*size = info.Size()
		} else if !errors.Is(err, os.ErrNotExist) {
			return s, err
		}
	}
	s.File = max(s.File, pages)
	return s, nil
}

// cut makes the file as short as what is in it: what was given back leaves the
// file when the log is copied into it, which may be long after. It makes nobody
// wait, and does nothing where there is little to win.
func (db *DB) cut(ctx context.Context) error {
	var pages, page int64
	err := db.View(ctx, func(x tower.Tx) error {
		_, err := x.(*tx).one("count pages", `PRAGMA page_count`, nil, []any{&pages})
		if err == nil {
			_, err = x.(*tx).one("ask for the size of a page", `PRAGMA page_size`, nil, []any{&page})
		}
		return err
	})
	if err != nil {
		return err
	}
	name, err := db.name(ctx)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil || info.Size() <= (pages+spare)*page {
		return err
	}
	c, err := open(name, "deferred", 1, pragmas)
	if err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
	return errors.Join(err, c.Close())
}
