package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/store"
	"vigil/internal/tower/towertest"
)

// packed is a backup of a store with appointments, and of what others deleted.
func packed(t *testing.T) (file string, whole []byte) {
	t.Helper()
	db, _ := claimed(t)
	fill(t, db, 0, 40)
	towertest.Update(t, db, func(tx tower.Tx) error {
		_, _, err := tx.DropExpired(1000)
		return err
	})
	fill(t, db, 0, 20)
	file = filepath.Join(t.TempDir(), "backup")
	if _, err := db.Backup(t.Context(), file, map[string][]byte{"old": {1}}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, whole
}

// refusedBackup makes sure that a file is refused by both who read it, and
// restored by none.
func refusedBackup(t *testing.T, what string, content []byte) {
	t.Helper()
	dir := t.TempDir()
	spoilt, restored := filepath.Join(dir, "spoilt"), filepath.Join(dir, "restored")
	if err := os.WriteFile(spoilt, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.ReadBackup(t.Context(), spoilt); !errors.Is(err, store.ErrNoBackup) {
		t.Errorf("%s: read: %v", what, err)
	}
	if err := store.Restore(t.Context(), spoilt, restored); !errors.Is(err, store.ErrNoBackup) {
		t.Errorf("%s: restore: %v", what, err)
	}
	alone(t, dir, "spoilt")
}

// A backup ends in the SHA-256 of all before it, so that any bit that changed
// shows, also in free pages and in blobs that nobody but a user can read.
func TestABackupWithAnyBitChangedIsRefused(t *testing.T) {
	_, whole := packed(t)
	random := rand.New(rand.NewPCG(1, 2))
	flip := func(at, bit int) {
		spoilt := bytes.Clone(whole)
		spoilt[at] ^= 1 << bit
		refusedBackup(t, fmt.Sprintf("bit %d of byte %d of %d", bit, at, len(whole)), spoilt)
	}
	for at := len(whole) - 100; at < len(whole); at++ {
		for bit := range 8 {
			flip(at, bit)
		}
	}
	for range 200 {
		flip(random.IntN(len(whole)), random.IntN(8))
	}
}

func TestABackupOfAnotherLengthIsRefused(t *testing.T) {
	_, whole := packed(t)
	for _, less := range []int{1, 2, 63, 64, 87, 88, 511, 4096, 4096 + 87, len(whole) - 1} {
		refusedBackup(t, strconv.Itoa(less)+" bytes less", whole[:len(whole)-less])
	}
	refusedBackup(t, "a byte more", append(bytes.Clone(whole), '\n'))
	refusedBackup(t, "twice", append(bytes.Clone(whole), whole...))
	body := whole[:len(whole)/4096*4096]
	refusedBackup(t, "without its end", body)
	refusedBackup(t, "with another's end", append(bytes.Clone(body), whole[len(body)-100:]...))
}

// Anybody can check it with a shell's tools, and SQLite opens it as it is.
func TestABackupIsSQLiteAndItsDigest(t *testing.T) {
	file, whole := packed(t)
	end := whole[len(whole)/4096*4096:]
	if len(end) >= 512 {
		t.Errorf("the end has %d bytes: SQLite may take it for a page", len(end))
	}
	sum := sha256.Sum256(whole[:len(whole)-len(end)])
	if want := "\nvigil backup, sha256 " + hex.EncodeToString(sum[:]) + "\n"; string(end) != want {
		t.Errorf("it ends in %q, want %q", end, want)
	}
	docs, err := os.ReadFile("../../../docs/keeping.md")
	if want := fmt.Sprintf("head -c -%d BACKUP | sha256sum; tail -c %[1]d BACKUP", len(end)); err != nil || !strings.Contains(string(docs), want) {
		t.Errorf("docs/keeping.md does not say %q (%v)", want, err)
	}
	// As a store, too: put in the place of one by hand, it works and can grow.
	db := towertest.Open(t, file)
	fill(t, db, 100, 200)
	towertest.Update(t, db, func(tx tower.Tx) error {
		stats, err := tx.Stats()
		if stats.Appointments != 120 {
			t.Errorf("%+v", stats)
		}
		return err
	})
	again := filepath.Join(t.TempDir(), "again")
	if _, err := db.Backup(t.Context(), again, map[string][]byte{"new": []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if c, err := store.ReadBackup(t.Context(), again); err != nil || len(c.Extra) != 1 || c.Appointments != 120 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestARestoredStoreHasNoTrailer(t *testing.T) {
	file, _ := packed(t)
	restored := filepath.Join(t.TempDir(), "restored")
	// What a killed restore left must not be taken for the new copy's.
	for _, ending := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.WriteFile(restored+".part"+ending, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Restore(t.Context(), file, restored); err != nil {
		t.Fatal(err)
	}
	alone(t, filepath.Dir(restored), "restored")
	content, err := os.ReadFile(restored)
	if err != nil || len(content)%4096 != 0 || bytes.Contains(content, []byte("vigil backup, sha256")) {
		t.Errorf("%d bytes, %v", len(content), err)
	}
}

func TestARestoreOnAFullDiskLeavesNothing(t *testing.T) {
	file, whole := packed(t)
	failed := 0
	for pages := len(whole)/4096 + 2; pages > 1; pages -= 3 {
		dir := smallDisk(t, fmt.Sprintf("%dk", pages*4))
		restored := filepath.Join(dir, "restored")
		if err := store.Restore(t.Context(), file, restored); err != nil {
			failed++
			if !strings.Contains(err.Error(), restored) || errors.Is(err, store.ErrNoBackup) {
				t.Errorf("got %v", err)
			}
			alone(t, dir)
		}
	}
	if failed < 10 {
		t.Errorf("only %d failed", failed)
	}
}
