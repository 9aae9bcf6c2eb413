package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

// blocksKept is how many blocks a tower keeps: they lie on several pages.
const blocksKept = 144

func newTower(db *DB) *tower.Tower {
	key, _ := btcec.PrivKeyFromBytes([]byte{1})
	return tower.New(key, db, tower.Terms{}, slog.New(slog.DiscardHandler))
}

// damaged is a store with a tower's blocks in which the last page of a table is spoiled.
func damaged(t *testing.T, table string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "vigil.db")
	db, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if err := newTower(db).Claim(t.Context(), "regtest"); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, db, func(tx tower.Tx) error {
		for range blocksKept {
			if err := nextBlock(tx); err != nil {
				return err
			}
		}
		return tx.AddBlind(1, 2)
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, file, table)
	return file
}

func spoil(t *testing.T, file, table string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	var page, size int64
	err = db.QueryRowContext(t.Context(), `SELECT pageno, pgsize FROM dbstat
		WHERE name = ? AND pagetype = 'leaf' ORDER BY path DESC LIMIT 1`, table).Scan(&page, &size)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0x5a}, int(size)), (page-1)*size); err != nil {
		t.Fatal(err)
	}
}

// remembersTip makes the tip known, as it is while blocks come.
func remembersTip(db *DB) {
	db.known.begin()
	db.known.follow(touched{}, &chain.Header{Height: blocksKept})
}

// A tip that can't be read stops no commit that has nothing to do with it, and not the
// start of the tower, which says what is wrong.
func TestADamagedTipStopsNoCommit(t *testing.T) {
	db := openFile(t, damaged(t, "blocks"))
	db.keeper.stop()
	if err := newTower(db).Claim(t.Context(), "regtest"); err != nil {
		t.Errorf("the tower does not start: %v", err)
	}
	mustUpdate(t, db, name("a"))
	if !has(t, db, "a") {
		t.Error("what was committed is not there")
	}
}

// SQLite commits nothing after it has met a damaged page: who shares a commit with one who
// meets it fails as he does. What is remembered stays so, since it is certain that nothing
// was committed, and whoever does not meet it can go on.
func TestDamageThatOneMeets(t *testing.T) {
	db := openFile(t, damaged(t, "blind_ranges"))
	db.keeper.stop()
	remembersTip(db)
	errs := together(t, db, name("a"), func(x tower.Tx) error { _, err := x.IsBlind(1); return err },
		nextBlock)
	for i, err := range errs {
		if !errors.Is(err, tower.ErrDamaged) {
			t.Errorf("function %d: got %v, want %v", i, err, tower.ErrDamaged)
		}
	}
	if tip := db.known.lastTip(); has(t, db, "a") || tip == nil || tip.Height != blocksKept {
		t.Errorf("a is kept: %v; the tip that is known is %+v", has(t, db, "a"), tip)
	}
	mustView(t, db, func(x tower.Tx) error {
		_, _, err := x.Tip()
		if x.(*tx).read != 0 {
			t.Error("a view has to read the tip")
		}
		return err
	})
	mustUpdate(t, db, nextBlock)
}

// Where the damage is at the tip, a tower goes on from the one that it remembers: each
// block that comes can be looked at, though none can be put, alone or beside others.
func TestATipStaysKnownBesideABlockThatCannotBePut(t *testing.T) {
	for _, others := range [][]func(tower.Tx) error{nil, {name("a")}} {
		db := openFile(t, damaged(t, "blocks"))
		db.keeper.stop()
		remembersTip(db)
		errs := together(t, db, append(others, nextBlock)...)
		if err := errs[len(others)]; !errors.Is(err, tower.ErrDamaged) {
			t.Fatalf("got %v, want %v", err, tower.ErrDamaged)
		}
		mustView(t, db, wantTip(t, blocksKept))
	}
}

// A tower is not ready, and says so, if it can't read the row behind which the next block
// comes, whatever is remembered.
func TestReadyMeetsADamagedTip(t *testing.T) {
	db := openFile(t, damaged(t, "blocks"))
	db.keeper.stop()
	remembersTip(db)
	w := newTower(db)
	if _, _, err := w.Tip(t.Context()); err != nil {
		t.Errorf("the tip is not known: %v", err)
	}
	if err := w.Readable(t.Context()); !errors.Is(err, tower.ErrDamaged) {
		t.Errorf("readable: got %v, want %v", err, tower.ErrDamaged)
	}
	if err := newTower(db).Ready(t.Context(), false); !errors.Is(err, tower.ErrDamaged) {
		t.Errorf("ready: got %v, want %v", err, tower.ErrDamaged)
	}
	if w.StoreTrouble() == "" {
		t.Error("the operator is told of no trouble")
	}
	whole := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	mustUpdate(t, whole, putTip(t, 1, nil))
	if err := errors.Join(newTower(whole).Ready(t.Context(), false), newTower(whole).Readable(t.Context())); err != nil {
		t.Error(err)
	}
}

// What the keeper meets of a damaged page is no other's: whoever would have shared a
// commit with it is kept.
func TestTheKeeperLosesNobodysCommit(t *testing.T) {
	t.Run("a sieve is filled", func(t *testing.T) {
		db := openFile(t, withSpoiltWatches(t))
		wantKeptBesideTheKeeper(t, db, 0, db.remember)
		if db.locators.wanting() {
			t.Error("the other sieve is not filled")
		}
	})
	t.Run("space is given back", func(t *testing.T) {
		db := openFile(t, withSpoiltWatches(t))
		wantKeptBesideTheKeeper(t, db, 1, db.trim)
	})
}

// wantKeptBesideTheKeeper commits something beside what the keeper does, once so many
// stand in line for that.
func wantKeptBesideTheKeeper(t *testing.T, db *DB, inLine int, keeps func(context.Context) error) {
	t.Helper()
	db.keeper.stop()
	var errKeeper error
	var work sync.WaitGroup
	mustUpdate(t, db, func(x tower.Tx) error {
		work.Go(func() { errKeeper = keeps(t.Context()) })
		standIn(t, db, inLine)
		return name("a")(x)
	})
	work.Wait()
	if !errors.Is(errKeeper, tower.ErrDamaged) || !has(t, db, "a") {
		t.Errorf("the keeper met %v; a is kept: %v", errKeeper, has(t, db, "a"))
	}
}

// withSpoiltWatches is a store with free pages, and a damaged one in the index of the
// watches.
func withSpoiltWatches(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "vigil.db")
	db, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	db.keeper.stop()
	err = errors.Join(newTower(db).Claim(t.Context(), "regtest"), db.Close())
	other := raw(t, file)
	other.SetMaxOpenConns(1)
	for _, query := range []string{
		`PRAGMA foreign_keys = 0`, `CREATE TABLE junk (content BLOB)`, `INSERT INTO junk VALUES (ZEROBLOB(4096 * 1000))`,
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000)
		 INSERT INTO watches SELECT RANDOMBLOB(32), 0, i, 0 FROM n`, `DROP TABLE junk`,
	} {
		if err == nil {
			_, err = other.ExecContext(t.Context(), query)
		}
	}
	if err = errors.Join(err, other.Close()); err != nil {
		t.Fatal(err)
	}
	spoil(t, file, "watches_by_output")
	return file
}
