package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/store"
)

func TestAReserveTakesRoomAndGivesItBack(t *testing.T) {
	const size = 3 << 20
	file := filepath.Join(t.TempDir(), "reserve")
	r := store.NewReserve(file, size)
	if r.Release() {
		t.Error("a reserve that holds nothing gave something up")
	}
	for range 2 {
		for range 2 {
			if err := r.Hold(); err != nil {
				t.Fatal(err)
			}
		}
		wantSize(t, file, size)
		if !r.Release() {
			t.Error("nothing was given up")
		}
		wantSize(t, file, 0)
	}
	if r.Release() {
		t.Error("it was given up twice")
	}
	// At the next start, under other options.
	for _, size := range []int64{2 << 20, 1 << 20, 4 << 20} {
		if err := store.NewReserve(file, size).Hold(); err != nil {
			t.Fatal(err)
		}
		wantSize(t, file, size)
	}
	if !store.NewReserve(file, size).Release() {
		t.Error("what was there from before was not given up")
	}
}

func wantSize(t *testing.T, file string, want int64) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != want {
		t.Errorf("%d bytes, want %d", info.Size(), want)
	}
}

func TestAReserveThatDoesNotFitIsAnErrorOfTheStore(t *testing.T) {
	for name, file := range map[string]string{
		"no directory": filepath.Join(t.TempDir(), "none", "reserve"),
		"a directory":  t.TempDir(),
	} {
		if err := store.NewReserve(file, 1<<20).Hold(); !errors.Is(err, tower.ErrStore) {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "reserve")
	if err := store.NewReserve(file, 1<<62).Hold(); !errors.Is(err, tower.ErrStore) {
		t.Errorf("larger than any disk: %v", err)
	}
	wantSize(t, file, 0)
}
