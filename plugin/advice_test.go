package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/towertest"
)

// wontStart runs a tower on a directory in which it can't start, with a door's
// prefix, and returns why.
func wontStart(t *testing.T, dir, prefix string) error {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := settings{dataDir: dir, network: "regtest", prefix: prefix}
	d := &daemon{settings: s, log: log, watch: newWatch(s, log), inNode: prefix != "",
		key: func(context.Context) (*btcec.PrivateKey, error) { return btcec.NewPrivateKey() }}
	err := d.run(t.Context())
	if err == nil {
		t.Fatal("it started")
	}
	return err
}

// anothers is a directory with the store of another tower.
func anothers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key, err := btcec.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	db := towertest.Open(t, filepath.Join(dir, storeFile))
	if err := tower.New(key, db, tower.Terms{}, towertest.Quiet()).Claim(t.Context(), "regtest"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// dirWith is a directory with a file in it.
func dirWith(t *testing.T, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestWhatLastsIsNotWaitedFor: a store that the tower can't use is the operator's to
// mend, and the answer says how; what passes is tried again.
func TestWhatLastsIsNotWaitedFor(t *testing.T) {
	for name, c := range map[string]struct{ dir, want string }{
		"another's":    {anothers(t), "name another directory (vigil-data-dir)"},
		"garbage":      {dirWith(t, storeFile, strings.Repeat("no store\n", 1000)), "restore a backup (`vigil restore`)"},
		"lost":         {dirWith(t, markFile, "x"), "put it back from a backup"},
		"no directory": {filepath.Join(dirWith(t, "file", "x"), "file", "vigil"), "name another (vigil-data-dir)"},
	} {
		n := newNode()
		n.fail(wontStart(t, c.dir, prefix))
		e := teos.AsError(n.notRunning())
		if e.Cause != teos.Unavailable || !strings.Contains(e.Text, c.want) || strings.Contains(e.Text, "try again") {
			t.Errorf("%s: %v: %s", name, e.Cause, e.Text)
		}
	}
	for _, passes := range []error{errStarting, errLocked, fs.ErrClosed} {
		n := newNode()
		n.fail(passes)
		if text := n.notRunning().Error(); !strings.HasSuffix(text, "; try again in a few seconds") {
			t.Errorf("%v: %s", passes, text)
		}
	}
}

// TestAdviceNamesTheOptionAsItIsTyped, in a shell as in a node.
func TestAdviceNamesTheOptionAsItIsTyped(t *testing.T) {
	dir := anothers(t)
	for prefix, want := range map[string]string{"": "(--data-dir)", prefix: "(vigil-data-dir)"} {
		err := wontStart(t, dir, prefix)
		if !errors.Is(err, tower.ErrOtherTower) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
