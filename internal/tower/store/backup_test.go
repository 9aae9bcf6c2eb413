package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/store"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

// fill puts appointments of one user into a store, from one number on.
func fill(t *testing.T, db *store.DB, from, to uint32) {
	t.Helper()
	towertest.Update(t, db, func(tx tower.Tx) error {
		u := gatekeeper.User{ID: towertest.NewUser(1, teos.V2).ID(), Dialect: teos.V2, Slots: 1, Expiry: 1000}
		if have, err := tx.User(u.ID); err == nil {
			u = have
		} else if err := tx.PutUser(u); err != nil {
			return err
		} else if u, err = tx.User(u.ID); err != nil {
			return err
		}
		for n := from; n < to; n++ {
			a := watcher.Appointment{UserRow: u.Row, StartBlock: 1, UserSignature: teos.Signature{31}}
			a.Locator = teos.Locator{byte(n), byte(n >> 8), byte(n >> 16)}
			a.EncryptedBlob = bytes.Repeat([]byte{byte(n)}, 1000)
			if _, err := tx.PutAppointment(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// claimed is a store of a tower.
func claimed(t *testing.T) (db *store.DB, file string) {
	t.Helper()
	file = towertest.File(t)
	db = towertest.Open(t, file)
	w := tower.New(towertest.Key(0), db, tower.Terms{}, towertest.Quiet())
	if err := w.Claim(t.Context(), "regtest"); err != nil {
		t.Fatal(err)
	}
	return db, file
}

// A backup is of one moment, whatever is written meanwhile, and comes back whole.
func TestABackupUnderLoadComesBack(t *testing.T) {
	db, file := claimed(t)
	fill(t, db, 0, 5000)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() {
		for n := uint32(5000); ctx.Err() == nil; n += 5 {
			fill(t, db, n, n+5)
		}
	})
	backup := filepath.Join(t.TempDir(), "backup")
	told, err := db.Backup(t.Context(), backup, map[string][]byte{"key": []byte("sealed")})
	stop()
	load.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(backup), ".*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	c, err := store.ReadBackup(t.Context(), backup)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(told, c) {
		t.Errorf("told %+v, it has %+v", told, c)
	}
	if c.Network != "regtest" || c.Users != 1 || c.Appointments < 5000 || c.Appointments%5 != 0 || string(c.Extra["key"]) != "sealed" {
		t.Errorf("%+v", c)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if err := store.Restore(t.Context(), backup, restored); err != nil {
		t.Fatal(err)
	}
	again := towertest.Open(t, restored)
	towertest.Update(t, again, func(tx tower.Tx) error {
		stats, err := tx.Stats()
		if stats.Users != 1 || stats.Appointments != c.Appointments {
			t.Errorf("%+v, the backup has %d", stats, c.Appointments)
		}
		return err
	})
	if err := store.Restore(t.Context(), backup, file); !errors.Is(err, os.ErrExist) {
		t.Errorf("restored over a store: %v", err)
	}
}

func TestABackupOverwritesNothing(t *testing.T) {
	db, _ := claimed(t)
	taken := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Backup(t.Context(), taken, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	if content, err := os.ReadFile(taken); err != nil || string(content) != "mine" {
		t.Errorf("%q, %v", content, err)
	}
	if _, err := db.Backup(t.Context(), "relative", nil); err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Errorf("got %v", err)
	}
	if _, err := db.Backup(t.Context(), filepath.Join(t.TempDir(), "no", "directory"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Backup(ctx, taken+"2", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(taken)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWhatIsNoBackupIsRefused(t *testing.T) {
	db, file := claimed(t)
	fill(t, db, 0, 100)
	backup := filepath.Join(t.TempDir(), "backup")
	if _, err := db.Backup(t.Context(), backup, nil); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	torn := bytes.Clone(whole)
	clear(torn[len(torn)/2:])
	for name, content := range map[string][]byte{
		"empty": nil, "text": []byte("not SQLite at all"), "cut short": whole[:len(whole)/2], "torn": torn,
	} {
		spoilt := filepath.Join(t.TempDir(), "spoilt")
		if err := os.WriteFile(spoilt, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.ReadBackup(t.Context(), spoilt); !errors.Is(err, store.ErrNoBackup) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := store.ReadBackup(t.Context(), file); !errors.Is(err, store.ErrNoBackup) {
		t.Errorf("the store itself: got %v", err)
	}
	if _, err := store.ReadBackup(t.Context(), backup); err != nil {
		t.Error(err)
	}
}

// The space of what is deleted goes back to the disk while the tower runs.
func TestTheFileShrinksAfterDeletions(t *testing.T) {
	file := towertest.File(t)
	db, err := store.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 0, 5000)
	towertest.Update(t, db, func(tx tower.Tx) error {
		_, _, err := tx.DropExpired(1000)
		return err
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() < 5_000_000 {
		t.Fatalf("%d bytes, %v", info.Size(), err)
	}
	db = towertest.Open(t, file) // the keeper begins at once
	until(t, "the file to shrink", func() bool {
		now, err := db.Size(t.Context())
		return err == nil && now.Free <= 1<<20 && now.File < 2<<20
	})
}

// until waits for what the keeper does.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
