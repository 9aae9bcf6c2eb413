package store_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vigil/internal/tower"
	"vigil/internal/tower/store"
)

// alone makes sure that a directory has these files, for this user only, and
// no others.
func alone(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", e.Name(), info, err)
		}
	}
	if strings.Join(have, "|") != strings.Join(names, "|") {
		t.Errorf("there are %q, want %q", have, names)
	}
}

// What SQLite and URLs read in a name is part of the name.
func TestABackupHasTheNameThatItWasGiven(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	db, _ := claimed(t)
	fill(t, db, 0, 50)
	for _, name := range []string{
		"q2?x", "?", "e?mode=memory", "a#b", "50%", "%41", "two words", "Sicherung für тест 備份", "file:x", "[*]", "a'b\"c", "-n", "a\nb", "a&b=c",
	} {
		dir := filepath.Join(t.TempDir(), "dir?y #%20")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if _, err := db.Backup(t.Context(), file, nil); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		alone(t, dir, name)
		alone(t, filepath.Dir(dir), filepath.Base(dir))
		if c, err := store.ReadBackup(t.Context(), file); err != nil || c.Appointments != 50 {
			t.Errorf("%q: %+v, %v", name, c, err)
		}
		if err := store.Restore(t.Context(), file, filepath.Join(dir, "restored?x")); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		alone(t, dir, sorted(name, "restored?x")...)
	}
}

func sorted(a, b string) []string {
	if a > b {
		a, b = b, a
	}
	return []string{a, b}
}

// smallDisk is a file system of a few bytes; only root may make one.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=0700,size="+size, "vigil-test", dir).CombinedOutput(); err != nil {
		t.Skipf("NOT RUN here: can't mount a tmpfs: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// notTheStore makes sure that an error names the target, and does not blame the
// store.
func notTheStore(t *testing.T, err error, file string) {
	t.Helper()
	if !errors.Is(err, store.ErrTarget) || errors.Is(err, tower.ErrStore) || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

// A target that fails at any point leaves nothing, and is not the store's fault.
func TestAFullTargetIsNotTheStoresFault(t *testing.T) {
	db, _ := claimed(t)
	fill(t, db, 0, 50)
	whole := filepath.Join(t.TempDir(), "whole")
	if _, err := db.Backup(t.Context(), whole, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(whole)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for pages := info.Size() / 4096; pages > 1; pages -= 3 {
		dir := smallDisk(t, fmt.Sprintf("%dk", pages*4))
		file := filepath.Join(dir, "backup")
		if _, err := db.Backup(t.Context(), file, nil); err != nil {
			failed++
			notTheStore(t, err, file)
			if !strings.Contains(err.Error(), "full") && !strings.Contains(err.Error(), "no space") {
				t.Errorf("does not say why: %v", err)
			}
			alone(t, dir)
		}
	}
	if failed < 10 {
		t.Errorf("only %d failed", failed)
	}
}

func TestATargetThatCanNotBeWrittenIsNamed(t *testing.T) {
	db, _ := claimed(t)
	none := filepath.Join(t.TempDir(), "no", "directory")
	_, err := db.Backup(t.Context(), none, nil)
	notTheStore(t, err, none)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(file, "backup")
	_, err = db.Backup(t.Context(), below, nil)
	notTheStore(t, err, below)
	dir := smallDisk(t, "1m")
	if out, err := exec.Command("mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	onIt := filepath.Join(dir, "backup")
	_, err = db.Backup(t.Context(), onIt, nil)
	notTheStore(t, err, onIt)
}
