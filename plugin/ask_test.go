package main

import (
	"os"
	"path/filepath"
	"strings"
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
			if err == nil || !strings.HasPrefix(err.Error(), "no tower can be reached in "+dir+": start one there (vigil tower), or") {
				t.Errorf("vigil info fails with %v", err)
			}
		})
	}
}
