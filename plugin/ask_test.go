package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Who asks a tower that does not run is told so, and what to do, not to wait.
func TestAskingWhereNoTowerRuns(t *testing.T) {
	left := t.TempDir()
	if err := os.WriteFile(filepath.Join(left, socketFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, dir := range map[string]string{
		"nothing there": t.TempDir(), "no directory": filepath.Join(t.TempDir(), "none"), "nobody listens": left,
	} {
		t.Run(what, func(t *testing.T) {
			_, err := shell(t, "info", "--data-dir", dir)
			if err == nil || !strings.HasPrefix(err.Error(), "no tower can be reached in "+dir+": start it (vigil tower, or lightningd with the plugin;") {
				t.Errorf("vigil info fails with %v", err)
			}
		})
	}
}

// Who may not ask is not told to start another tower there.
func TestAskingAnothersTower(t *testing.T) {
	err := unreachable("/var/lib/vigil", &fs.PathError{Op: "dial", Path: "vigil.sock", Err: syscall.EACCES})
	if want := "you may not ask a tower in /var/lib/vigil: if there is one, run this as its user: "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v", err)
	}
}
