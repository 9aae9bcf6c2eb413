package store_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"vigil/internal/tower/store"
)

// leftover is what a backup that was killed leaves.
func leftover(t *testing.T, dir, name string) (part string) {
	t.Helper()
	part = filepath.Join(dir, name)
	if err := os.Mkdir(part, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"copy", "copy-journal", "copy-wal", "copy-shm"} {
		if err := os.WriteFile(filepath.Join(part, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return part
}

// A backup removes what killed ones of its name left, and nothing that is somebody's.
func TestLeftoversOfTheSameNameAreRemoved(t *testing.T) {
	db, _ := claimed(t)
	dir := t.TempDir()
	leftover(t, dir, ".b.123.part")
	leftover(t, dir, ".b.7.part")
	leftover(t, dir, ".b.x.part")
	leftover(t, dir, ".bb.123.part")
	mine := leftover(t, dir, ".b.9.part")
	if err := os.WriteFile(filepath.Join(mine, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".b.55.part"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(leftover(t, dir, ".b.8.part"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Backup(t.Context(), filepath.Join(dir, "b"), nil); err != nil {
		t.Fatal(err)
	}
	alone(t, dir, ".b.55.part", ".b.8.part", ".b.9.part", ".b.x.part", ".bb.123.part", "b")
	if entries, err := os.ReadDir(filepath.Join(dir, ".b.8.part")); err != nil || len(entries) != 4 {
		t.Errorf("of one that is held there is left %v, %v", entries, err)
	}
}

// What a backup leaves that was killed is gone after the next one.
func TestWhatAKilledBackupLeavesIsRemoved(t *testing.T) {
	if from := os.Getenv("VIGIL_TEST_KILLED_BACKUP"); from != "" {
		backUpForever(t, from, os.Getenv("VIGIL_TEST_KILLED_TO"))
	}
	db, from := claimed(t)
	fill(t, db, 0, 2000)
	dir := t.TempDir()
	to := filepath.Join(dir, "b")
	until(t, "a backup that is killed to leave something", func() bool {
		child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		child.Env = append(os.Environ(), "VIGIL_TEST_KILLED_BACKUP="+from, "VIGIL_TEST_KILLED_TO="+to)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		parts := func() bool {
			found, err := filepath.Glob(filepath.Join(dir, ".b.*.part", "copy*"))
			return err == nil && len(found) > 0
		}
		until(t, "the other process to begin", parts)
		_ = child.Process.Kill()
		_ = child.Wait()
		return parts()
	})
	_ = os.Remove(to)
	if _, err := db.Backup(t.Context(), to, nil); err != nil {
		t.Fatal(err)
	}
	alone(t, dir, "b")
}

func backUpForever(t *testing.T, from, to string) {
	db, err := store.Open(t.Context(), from)
	for err == nil {
		if _, err = db.Backup(t.Context(), to, nil); err == nil {
			err = os.Remove(to)
		}
	}
	t.Fatal(err)
}
