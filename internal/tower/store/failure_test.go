package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/store"
	"vigil/internal/tower/towertest"
)

// The doors tell a disk that fails from a defect of ours: the one may pass.
func TestAFileThatFailsIsToldFromADefect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tower.sqlite")
	if err := os.WriteFile(file, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), file); !errors.Is(err, tower.ErrStore) {
		t.Errorf("a file that is no database: %v", err)
	}
	db := towertest.Open(t, towertest.File(t))
	defect := db.Update(t.Context(), func(tx tower.Tx) error {
		return tx.InsertTracker(responder.Tracker{Row: 77})
	})
	if defect == nil || errors.Is(defect, tower.ErrStore) {
		t.Errorf("a tracker without an appointment: %v", defect)
	}
}

func TestAStoreIsForThisUserOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tower.sqlite")
	db := towertest.Open(t, file)
	towertest.Update(t, db, func(tx tower.Tx) error { return tx.SetIdentity("a", "b") })
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
