package store

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"vigil/internal/tower"
)

// A disk that fails while something is committed is told as what it is.
func TestADyingDiskIsNoDefect(t *testing.T) {
	file := damaged(t, "blind_ranges") // a tower's, and another page than those read here
	db := openFile(t, file)
	db.keeper.stop()
	err := db.Update(t.Context(), func(x tower.Tx) error {
		_, err := x.(*tx).exec("empty the page cache", `PRAGMA shrink_memory`)
		err = errors.Join(err, x.SetIdentity("k", "v"))
		hang(t, file)
		return err
	})
	if err != nil && !errors.Is(err, tower.ErrStore) {
		t.Errorf("a dying disk is told as a defect of ours: %v", err)
	}
}

// hang makes each read of a file by this process fail, by another descriptor in the place
// of those that are open.
func hang(t *testing.T, file string) {
	t.Helper()
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for fd := 3; fd < 1000; fd++ {
		var was, is syscall.Stat_t
		if syscall.Stat(file, &is) == nil && syscall.Fstat(fd, &was) == nil && was.Ino == is.Ino && was.Dev == is.Dev {
			if err := syscall.Dup3(int(dir.Fd()), fd, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}
