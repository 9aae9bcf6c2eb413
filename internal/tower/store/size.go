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
	p, err := db.pages(ctx)
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
	s.Free = p.free * p.size
	s.File = max(s.File, p.all*p.size) // some of them may be in the log only
	return s, nil
}

// pages are those that the store has, and of them the free ones, each of size bytes.
type pages struct{ all, free, size int64 }

func (db *DB) pages(ctx context.Context) (p pages, err error) {
	err = db.View(ctx, func(x tower.Tx) (err error) {
		for pragma, n := range map[string]*int64{
			"PRAGMA page_count": &p.all, "PRAGMA freelist_count": &p.free, "PRAGMA page_size": &p.size,
		} {
			if _, err = x.(*tx).one("count pages", pragma, nil, []any{n}); err != nil {
				return err
			}
		}
		return nil
	})
	return p, err
}

// cut makes the file as short as what is in it: what was given back leaves the
// file when the log is copied into it, which may be long after. It makes nobody
// wait, and says where there is little to win that the file is short already.
func (db *DB) cut(ctx context.Context) (short bool, err error) {
	p, err := db.pages(ctx)
	if err != nil {
		return false, err
	}
	name, err := db.name(ctx)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(name)
	if err != nil || info.Size() <= (p.all+spare)*p.size {
		return err == nil, err
	}
	c, err := open(name, "deferred", 1, pragmas)
	if err != nil {
		return false, err
	}
	_, err = c.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
	return false, errors.Join(err, c.Close())
}
