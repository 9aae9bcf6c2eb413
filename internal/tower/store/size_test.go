package store_test

import (
	"path/filepath"
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/towertest"
)

// TestFreeRoomIsPartOfTheStore, also where most of its pages are in the log only.
func TestFreeRoomIsPartOfTheStore(t *testing.T) {
	db := towertest.Open(t, filepath.Join(t.TempDir(), "t.sqlite"))
	fill(t, db, 0, 500)
	towertest.Update(t, db, func(tx tower.Tx) error {
		_, _, err := tx.DropExpired(1000)
		return err
	})
	s, err := db.Size(t.Context())
	if err != nil || s.Free == 0 || s.Free > s.File || s.Log == 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
