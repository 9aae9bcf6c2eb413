package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

// standIn waits until so many writers stand in line.
func standIn(t *testing.T, db *DB, n int) {
	t.Helper()
	for t.Context().Err() == nil {
		db.line.mu.Lock()
		got := len(db.line.waiting)
		db.line.mu.Unlock()
		if got >= n {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("the writers did not come")
}

// together runs functions in one batch: behind one that does not end before all
// others stand in line. The first is played first.
func together(t *testing.T, db *DB, fs ...func(tower.Tx) error) []error {
	t.Helper()
	db.keeper.stop()
	errs := make([]error, len(fs))
	var work sync.WaitGroup
	begun := make(chan struct{})
	work.Go(func() {
		errs[0] = db.Update(t.Context(), func(tx tower.Tx) error {
			close(begun)
			standIn(t, db, len(fs)-1)
			return fs[0](tx)
		})
	})
	<-begun
	for i, f := range fs[1:] {
		work.Go(func() { errs[i+1] = db.Update(t.Context(), f) })
		if i+2 < len(fs) { // the last one lets the first go on
			standIn(t, db, i+1)
		}
	}
	work.Wait()
	return errs
}

func name(key string) func(tower.Tx) error {
	return func(tx tower.Tx) error { return tx.SetIdentity(key, "kept") }
}

func has(t *testing.T, db *DB, key string) bool {
	t.Helper()
	var value string
	mustView(t, db, func(tx tower.Tx) (err error) {
		value, err = tx.Identity(key)
		return err
	})
	return value == "kept"
}

var errNo = errors.New("no")

func refuse(key string) func(tower.Tx) error {
	return func(tx tower.Tx) error { return errors.Join(tx.SetIdentity(key, "kept"), errNo) }
}

func TestOneFailureInABatchTouchesNoOther(t *testing.T) {
	for _, first := range []bool{false, true} {
		db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
		fs := []func(tower.Tx) error{name("a"), name("b"), refuse("c"), name("d")}
		if first {
			fs[0], fs[2] = fs[2], fs[0]
		}
		errs := together(t, db, fs...)
		for i, err := range errs {
			if want := map[bool]error{true: errNo}[(i == 2) != first && (i == 0) == first]; !errors.Is(err, want) {
				t.Errorf("first %v: function %d: got %v, want %v", first, i, err, want)
			}
		}
		for key, want := range map[string]bool{"a": true, "b": true, "c": false, "d": true} {
			if has(t, db, key) != want {
				t.Errorf("first %v: %s is kept: %v", first, key, !want)
			}
		}
	}
}

func TestABatchIsOneCommit(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	commits := 0
	count := func(tx tower.Tx) error {
		x := tx.(*theirs)
		x.committed = append(x.committed, func() { commits++ })
		commits *= 10 // a commit between two functions would show
		return nil
	}
	for i, err := range together(t, db, count, count, count) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if commits != 3 {
		t.Errorf("got %d, want 3 functions committed after the last", commits)
	}
}

type theirs = tx

// TestWhoSharesACommitIsCounted: those that succeeded, once it is durable.
func TestWhoSharesACommitIsCounted(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	var shared []int
	db.keeper.stop()
	db.OnCommit(func(together int, _ time.Duration) {
		if shared = append(shared, together); db.line.batch == nil {
			t.Error("told when the turn was given up already")
		}
	})
	together(t, db, name("a"), refuse("b"), name("c"))
	together(t, db, refuse("d"))
	if want := []int{2}; !slices.Equal(shared, want) {
		t.Errorf("commits were shared by %v, want %v", shared, want)
	}
}

// SQLite undoes the whole transaction when a disk fails in one function: none of
// those before may be told that it was kept, nor may one whose refusal came from
// what they wrote.
func TestAnUndoneBatchFailsForAll(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	errs := together(t, db, name("a"), refuse("b"), func(x tower.Tx) error {
		return errors.Join(x.(*tx).conn.run("ROLLBACK"), errNo)
	})
	for i, err := range errs {
		if !errors.Is(err, tower.ErrStore) {
			t.Errorf("function %d of an undone batch: %v", i, err)
		}
	}
	full := fmt.Errorf("%w: %w", tower.ErrStore, tower.ErrFull)
	errs = together(t, db, name("a"), func(x tower.Tx) error { return errors.Join(x.(*tx).conn.run("ROLLBACK"), full) })
	if !errors.Is(errs[0], tower.ErrFull) {
		t.Errorf("before a full disk: %v", errs[0])
	}
	if has(t, db, "a") || has(t, db, "b") {
		t.Error("a part of an undone batch was kept")
	}
	if err := db.Update(t.Context(), name("c")); err != nil || !has(t, db, "c") {
		t.Errorf("the next update: %v", err)
	}
}

func TestAFunctionThatEndsItsGoroutineStopsNobody(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	errs := together(t, db, name("a"), func(x tower.Tx) error {
		if err := x.SetIdentity("b", "kept"); err != nil {
			t.Error(err)
		}
		runtime.Goexit()
		return nil
	}, name("c"))
	if errs[0] != nil || errs[2] != nil || !has(t, db, "a") || has(t, db, "b") || !has(t, db, "c") {
		t.Errorf("%v; a %v, b %v, c %v", errs, has(t, db, "a"), has(t, db, "b"), has(t, db, "c"))
	}
}

func TestWhoGivesUpInLineLeavesNoGap(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.keeper.stop()
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	var errGone, errLast error
	err = db.Update(t.Context(), func(tx tower.Tx) error {
		work.Go(func() { errGone = db.Update(ctx, name("gone")) })
		standIn(t, db, 1)
		work.Go(func() { errLast = db.Update(t.Context(), name("last")) })
		standIn(t, db, 2)
		cancel()
		return tx.SetIdentity("first", "kept")
	})
	work.Wait()
	if err != nil || !errors.Is(errGone, context.Canceled) || errLast != nil {
		t.Errorf("got %v, %v, %v", err, errGone, errLast)
	}
	if !has(t, db, "first") || has(t, db, "gone") || !has(t, db, "last") {
		t.Error("not what was told is kept")
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Update(t.Context(), name("late")); !errors.Is(err, errClosed) {
		t.Errorf("after the end: got %v, want %v", err, errClosed)
	}
}

// Close waits for who writes, commits what he did, and turns away who stands in line.
func TestCloseWhileWritersCome(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	db, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	db.keeper.stop()
	var work sync.WaitGroup
	var errClose, errLate error
	errFirst := db.Update(t.Context(), func(tx tower.Tx) error {
		work.Go(func() { errClose = db.Close() })
		standIn(t, db, 1)
		work.Go(func() { errLate = db.Update(t.Context(), name("late")) })
		standIn(t, db, 2)
		return tx.SetIdentity("first", "kept")
	})
	work.Wait()
	if errFirst != nil || errClose != nil || !errors.Is(errLate, errClosed) {
		t.Errorf("got %v, %v, %v", errFirst, errClose, errLate)
	}
	db = openFile(t, file)
	if !has(t, db, "first") || has(t, db, "late") {
		t.Error("not what was told is kept")
	}
}

// wantTip demands that the tip is at a height, 0 for none.
func wantTip(t *testing.T, height uint32) func(tower.Tx) error {
	return func(tx tower.Tx) error {
		t.Helper()
		tip, found, err := tx.Tip()
		if err != nil || found != (height > 0) || tip.Height != height {
			t.Errorf("tip %d (%v, %v), want %d", tip.Height, found, err, height)
		}
		return err
	}
}

// putTip puts a block on the tip, and fails with then.
func putTip(t *testing.T, height uint32, then error) func(tower.Tx) error {
	b := &chain.Block{}
	b.Height = height
	return func(tx tower.Tx) error {
		t.Helper()
		return errors.Join(wantTip(t, height-1)(tx), tx.PutBlock(b, false), wantTip(t, height)(tx), then)
	}
}

// The tip that is remembered is that of the blocks as they are, in one batch and from
// one commit to the next.
func TestTheTipIsThatOfTheBlocks(t *testing.T) {
	steps := []func(tower.Tx) error{
		wantTip(t, 0), putTip(t, 1, nil), putTip(t, 2, errNo), wantTip(t, 1), putTip(t, 2, nil), wantTip(t, 2),
		func(tx tower.Tx) error { return tx.DropAbove(1) }, wantTip(t, 1), func(tx tower.Tx) error { return tx.DropAbove(1) }, wantTip(t, 1),
		func(tx tower.Tx) error { return tx.CutBlocks(1) }, wantTip(t, 1),
		func(tx tower.Tx) error { return tx.PutBlock(&chain.Block{}, false) }, wantTip(t, 1), // one below
		func(tx tower.Tx) error { return tx.CutBlocks(5) }, wantTip(t, 0),
	}
	oneByOne := func(t *testing.T, db *DB, fs ...func(tower.Tx) error) (errs []error) {
		for _, f := range fs {
			errs = append(errs, db.Update(t.Context(), f))
		}
		return errs
	}
	for way, run := range map[string]func(*testing.T, *DB, ...func(tower.Tx) error) []error{"together": together, "one by one": oneByOne} {
		t.Run(way, func(t *testing.T) {
			db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
			for i, err := range run(t, db, steps...) {
				if (err != nil) != (i == 2) {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
}

// Nobody reads the tip that a block has made, nor one that stays.
func TestATipIsFollowed(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	together(t, db, putTip(t, 1, nil))
	put := func(height uint32) func(tower.Tx) error {
		return func(tx tower.Tx) error {
			b := &chain.Block{}
			b.Height = height
			return tx.PutBlock(b, false)
		}
	}
	for i, step := range []struct {
		do   func(tower.Tx) error
		want uint32
	}{
		{put(8), 8}, {put(3), 8}, {func(tx tower.Tx) error { return tx.DropAbove(8) }, 8},
		{func(tx tower.Tx) error { return tx.CutBlocks(8) }, 8}, {put(9), 9},
	} {
		mustUpdate(t, db, step.do)
		if tip := db.known.lastTip(); tip == nil || tip.Height != step.want {
			t.Errorf("step %d: the tip is known as %+v, want %d", i, tip, step.want)
		}
		mustView(t, db, wantTip(t, step.want))
	}
}

// lose undoes the transaction, as SQLite does where a disk fails.
func lose(x tower.Tx) error { return x.(*tx).conn.run("ROLLBACK") }

// A tip that was not kept is none: neither that of a batch that was undone nor that of a
// commit that failed.
func TestATipThatWasNotKeptIsForgotten(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	together(t, db, putTip(t, 1, nil))
	for what, fs := range map[string][]func(tower.Tx) error{
		"undone":        {putTip(t, 2, nil), func(x tower.Tx) error { return errors.Join(lose(x), errNo) }},
		"not committed": {func(x tower.Tx) error { return errors.Join(putTip(t, 2, nil)(x), lose(x)) }},
	} {
		if err := together(t, db, fs...)[0]; err == nil {
			t.Errorf("%s: no failure", what)
		}
		together(t, db, wantTip(t, 1))
	}
}

// What another process writes is noticed, also where the connection is another by then.
func TestATipOfAnotherProcessIsNoticed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	db := openFile(t, file)
	together(t, db, putTip(t, 1, nil))
	other := raw(t, file)
	add := func(height int) error {
		hash := make([]byte, chainhash.HashSize)
		_, err := other.ExecContext(t.Context(), `INSERT INTO blocks VALUES (?, ?, ?)`, height, hash, hash)
		return err
	}
	if err := add(2); err != nil {
		t.Fatal(err)
	}
	together(t, db, wantTip(t, 2))
	errs := together(t, db, func(x tower.Tx) error {
		return errors.Join(lose(x), add(3), errNo) // the connection is given up after this
	}, wantTip(t, 3))
	if errs[0] == nil || errs[1] != nil {
		t.Errorf("%v", errs)
	}
	db.writer.drop() // a new connection counts from where the first one did
	if err := add(4); err != nil {
		t.Fatal(err)
	}
	together(t, db, wantTip(t, 4))
}

// Neither a full disk nor a caller who is gone costs the connection, and with it all that
// is remembered.
func TestTheConnectionStays(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	together(t, db, putTip(t, 1, nil))
	was := db.writer.sql
	full := fmt.Errorf("%w: %w", tower.ErrStore, tower.ErrFull)
	together(t, db, func(x tower.Tx) error { return errors.Join(lose(x), full) })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Update(gone, wantTip(t, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("an update for nobody: %v", err)
	}
	together(t, db, wantTip(t, 1))
	if db.writer.sql != was {
		t.Error("the connection is another one")
	}
	together(t, db, func(x tower.Tx) error { return errors.Join(lose(x), errNo) })
	if db.writer.sql == was {
		t.Error("the connection stayed after a failure of which nothing is known")
	}
}
