package store

import (
	"errors"
	"path/filepath"
	"testing"

	"vigil/internal/tower"
)

// junk fills a thousand pages and frees them.
func junk(x tower.Tx) error {
	for _, query := range []string{
		`CREATE TABLE junk (content BLOB)`, `INSERT INTO junk VALUES (ZEROBLOB(4096 * 1000))`, `DROP TABLE junk`,
	} {
		if _, err := x.(*tx).exec("junk", query); err != nil {
			return err
		}
	}
	return nil
}

// trims does what the keeper does, and returns how many rows were read for it.
func trims(t *testing.T, db *DB) (read int64) {
	t.Helper()
	before := db.rowsRead.Load()
	if err := db.trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db.rowsRead.Load() - before
}

func wantTrimmed(t *testing.T, db *DB) {
	t.Helper()
	for range 3 { // to give pages back is a commit, and to cut the file takes one look more
		trims(t, db)
	}
	free, err := db.free(t.Context())
	short, errCut := db.cut(t.Context())
	if err != nil || errCut != nil || free > spare || !short {
		t.Errorf("%d pages stay free, the file is short: %v (%v, %v)", free, short, err, errCut)
	}
	if n := trims(t, db); n != 0 {
		t.Errorf("%d rows are read where nothing was written", n)
	}
}

// Where nothing is written the keeper reads nothing; room that a deletion leaves it finds,
// also where that was before the start.
func TestTrimmingRests(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	db, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	db.keeper.stop()
	wantTrimmed(t, db)
	mustUpdate(t, db, junk)
	wantTrimmed(t, db)
	mustUpdate(t, db, junk)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openFile(t, file)
	db.keeper.stop()
	wantTrimmed(t, db)
}

// A commit that is on its way, or may have failed, leaves room that nobody sees yet.
func TestTrimmingWaitsForCertainty(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	wantTrimmed(t, db)
	db.known.begin()
	for range 2 {
		if trims(t, db) == 0 {
			t.Error("nothing is read while a commit is on its way")
		}
	}
	err := db.Update(t.Context(), func(x tower.Tx) error {
		return errors.Join(junk(x), x.(*tx).conn.run("COMMIT"))
	})
	if err == nil {
		t.Error("a commit of nothing did not fail")
	}
	trims(t, db)
	if free, err := db.free(t.Context()); err != nil || free > spare {
		t.Errorf("%d pages stay free after a commit that may have failed (%v)", free, err)
	}
}

// A reader keeps the file from being cut: that is made up for once it has gone.
func TestTrimmingOutlastsAReader(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	db := openFile(t, file)
	db.keeper.stop()
	mustUpdate(t, db, junk)
	mustUpdate(t, db, junk)
	if _, err := raw(t, file).ExecContext(t.Context(), "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		t.Fatal(err)
	}
	mustView(t, db, func(tx tower.Tx) error {
		_, err := tx.Identity("any")
		for range 5 {
			trims(t, db)
		}
		return err
	})
	wantTrimmed(t, db)
}
