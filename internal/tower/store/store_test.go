package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/store"
	"vigil/internal/tower/towertest"
)

// suite is how any store must behave, whatever database is behind it.
var suite = []struct {
	name string
	test func(*testing.T, tower.Store)
}{
	{"a user is what was put last", testUsers},
	{"a refund stops at the largest number", testRefund},
	{"an appointment is one user's", testAppointments},
	{"an update keeps its row", testUpdateAppointment},
	{"appointments are found by any of many locators", testRowsAt},
	{"expired appointments go, their users last", testDropExpired},
	{"a breach that is answered outlives its subscription", testDropExpiredWithTracker},
	{"a tracker is what was put last", testTrackers},
	{"a tracker drops with its watches", testDropTracker},
	{"a dispute is kept once, while anyone has it", testSharedDispute},
	{"watches repeat without harm", testWatches},
	{"what is due", testDue},
	{"a try is noted of what was tried", testNoteTry},
	{"judged heights move in step", testJudged},
	{"trackers without their dispute", testWithoutDispute},
	{"what is above a fork is undone", testUndoAbove},
	{"what is spent up to a height", testSpentUpTo},
	{"blocks end in a tip", testBlocks},
	{"recent transactions are found in both byte orders", testRecent},
	{"blind ranges are kept", testBlind},
	{"identity", testIdentity},
	{"stats count", testStats},
	{"stats tell how long refused penalties have", testRefusedUntil},
	{"breaches are listed by state and page", testBreaches},
	{"a row is never given twice", testRowsAreNotReused},
	{"what failed leaves nothing", testRollback},
	{"what panicked leaves nothing", testPanic},
	{"a view sees one state", testSnapshot},
	{"updates take turns", testUpdatesTakeTurns},
	{"a cancelled update leaves nothing and stops nobody", testCancel},
}

func TestStore(t *testing.T) {
	for _, s := range suite {
		t.Run(s.name, func(t *testing.T) { s.test(t, towertest.Open(t, towertest.File(t))) })
	}
}

func update(t *testing.T, s tower.Store, f func(tower.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, s tower.Store, f func(tower.Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func set(name, value string) func(tower.Tx) error {
	return func(tx tower.Tx) error { return tx.SetIdentity(name, value) }
}

func wantIdentity(t *testing.T, s tower.Store, name, want string) {
	t.Helper()
	view(t, s, func(tx tower.Tx) error {
		got, err := tx.Identity(name)
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		return err
	})
}

var errStop = errors.New("stop")

func testIdentity(t *testing.T, s tower.Store) {
	wantIdentity(t, s, "k", "")
	update(t, s, set("k", "1"))
	update(t, s, set("k", "2"))
	wantIdentity(t, s, "k", "2")
}

func testRollback(t *testing.T, s tower.Store) {
	err := s.Update(t.Context(), func(tx tower.Tx) error {
		if err := tx.SetIdentity("k", "v"); err != nil {
			return err
		}
		return errStop
	})
	if !errors.Is(err, errStop) {
		t.Errorf("got %v, want %v", err, errStop)
	}
	wantIdentity(t, s, "k", "")
}

func testPanic(t *testing.T, s tower.Store) {
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v, want boom", r)
			}
		}()
		_ = s.Update(t.Context(), func(tx tower.Tx) error {
			if err := tx.SetIdentity("k", "v"); err != nil {
				t.Error(err)
			}
			panic("boom")
		})
	}()
	wantIdentity(t, s, "k", "")
	update(t, s, set("after", "goes on"))
}

func testSnapshot(t *testing.T, s tower.Store) {
	update(t, s, set("k", "old"))
	view(t, s, func(tx tower.Tx) error {
		before, err := tx.Identity("k")
		if err != nil {
			return err
		}
		update(t, s, set("k", "new")) // must not wait for the view either
		after, err := tx.Identity("k")
		if before != "old" || after != "old" {
			t.Errorf("a view saw %q and then %q", before, after)
		}
		return err
	})
	wantIdentity(t, s, "k", "new")
}

func testUpdatesTakeTurns(t *testing.T, s tower.Store) {
	const writers, each = 4, 10
	errs := make(chan error, writers)
	for range writers {
		go func() {
			for range each {
				if err := s.Update(context.Background(), appendX); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	wantIdentity(t, s, "k", strings.Repeat("x", writers*each))
}

func appendX(tx tower.Tx) error {
	was, err := tx.Identity("k")
	if err != nil {
		return err
	}
	return tx.SetIdentity("k", was+"x")
}

// A context may end before, between and in the middle of statements.
func testCancel(t *testing.T, s tower.Store) {
	c := chaintest.New()
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Update(ctx, func(tx tower.Tx) error {
			if err := tx.SetIdentity("k", "v"); err != nil {
				return err
			}
			go cancel()
			for { // ends by the context only
				if err := tx.PutBlock(c.MineEmpty(1), true); err != nil {
					return err
				}
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want %v", err, context.Canceled)
		}
		wantIdentity(t, s, "k", "")
		update(t, s, set("after", "goes on"))
	}
	// Whoever learns of it first, the driver or database/sql, the error tells.
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Update(ctx, func(tx tower.Tx) error {
			err := tx.SetIdentity("k", "v")
			cancel()
			runtime.Gosched()
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a commit after its context ended: %v", err)
		}
	}
	wantIdentity(t, s, "k", "")
}

func TestReopeningKeepsWhatWasCommitted(t *testing.T) {
	file := towertest.File(t)
	for _, want := range []string{"", "kept"} { // the migrations run once only
		s, err := store.Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		wantIdentity(t, s, "k", want)
		update(t, s, set("k", "kept"))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A second store over the same file stands for the next start after a kill:
// nothing was closed.
func TestInvariant2WhatWasAnsweredIsOnDiskWithoutAClose(t *testing.T) {
	file := towertest.File(t)
	first := towertest.Open(t, file)
	update(t, first, set("k", "durable"))
	copied := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantIdentity(t, towertest.Open(t, copied), "k", "durable")
}

func TestAnyPathHoldsAStore(t *testing.T) {
	for _, name := range []string{"with space", "per%cent", "per%41cent", "what?mode=memory", "a#b", "ünï+cödé", "a&b=c;d", "'quote\""} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, name+".db")
			update(t, towertest.Open(t, file), set("k", "v"))
			if _, err := os.Stat(file); err != nil {
				t.Error(err)
			}
			wantIdentity(t, towertest.Open(t, file), "k", "v")
		})
	}
}

func TestARelativePathHoldsAStore(t *testing.T) {
	t.Chdir(t.TempDir())
	update(t, towertest.Open(t, "vigil.db"), set("k", "v"))
	if _, err := os.Stat("vigil.db"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoStoreIsRefused(t *testing.T) {
	file := towertest.File(t)
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), file); err == nil {
		s.Close()
		t.Error("a text file was opened as a store")
	} else if !strings.Contains(err.Error(), file) {
		t.Errorf("the error does not name the file: %v", err)
	}
	if _, err := store.Open(t.Context(), filepath.Join(file, "below a file")); err == nil {
		t.Error("a store below a file")
	}
}
