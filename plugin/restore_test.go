package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vigil/internal/operator"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/store"
	"vigil/internal/tower/towertest"
)

// backedUp is a tower of its own with a key in dir, and a backup of it.
func backedUp(t *testing.T, passphrase string) (c *core, backup string, answer operator.Backup) {
	t.Helper()
	dir := t.TempDir()
	key, err := loadKey(filepath.Join(dir, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	db := towertest.Open(t, filepath.Join(dir, storeFile))
	d := &daemon{settings: settings{dataDir: dir, network: "regtest"}, log: slog.New(slog.DiscardHandler), store: db}
	c = &core{Tower: tower.New(key, db, tower.Terms{}, d.log), daemon: d}
	if err := c.Claim(t.Context(), "regtest"); err != nil {
		t.Fatal(err)
	}
	backup = filepath.Join(t.TempDir(), "backup")
	if answer, err = c.Backup(t.Context(), backup, passphrase); err != nil {
		t.Fatal(err)
	}
	return c, backup, answer
}

func restore(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := restoreCommand(context.WithoutCancel(t.Context()), args, &out)
	return out.String(), err
}

func TestASealedBackupBringsTheTowerBack(t *testing.T) {
	cheap(t)
	c, backup, answer := backedUp(t, "a passphrase")
	if len(answer.Sealed) != 1 || answer.Sealed[0] != keyFile || answer.Bytes == 0 || answer.Storage.Store == 0 {
		t.Errorf("%+v", answer)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := restore(t, backup, "--data-dir", dir); err == nil || !strings.Contains(err.Error(), "--passphrase") {
		t.Errorf("without the passphrase: %v", err)
	}
	pass := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(pass, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, backup, "--data-dir", dir, "--passphrase", pass); !errors.Is(err, errPassphrase) {
		t.Errorf("with a wrong one: %v", err)
	}
	if err := os.WriteFile(pass, []byte("a passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := restore(t, backup, "--data-dir", dir, "--passphrase", pass)
	if err != nil || !strings.Contains(out, c.ID().String()) || !strings.Contains(out, "DOES NOT") {
		t.Fatalf("%s, %v", out, err)
	}
	key, err := loadKey(filepath.Join(dir, keyFile))
	if err != nil || teosID(key) != c.ID().String() {
		t.Errorf("the key is another: %v", err)
	}
	again := tower.New(key, towertest.Open(t, filepath.Join(dir, storeFile)), tower.Terms{}, towertest.Quiet())
	if err := again.Claim(t.Context(), "regtest"); err != nil {
		t.Error(err)
	}
	if _, err := restore(t, backup, "--data-dir", dir, "--passphrase", pass); !errors.Is(err, errStore) {
		t.Errorf("over a store: %v", err)
	}
}

func TestABackupWithoutItsKeySaysSo(t *testing.T) {
	c, backup, answer := backedUp(t, "")
	if len(answer.Sealed) != 0 || !strings.HasPrefix(answer.Notes[0], "NOT IN IT: tower.key (") || strings.Contains(answer.Notes[0], "onion.key") {
		t.Errorf("%+v", answer)
	}
	if raw, err := os.ReadFile(backup); err != nil || bytes.Contains(raw, c.daemon.privateHex(t)) {
		t.Errorf("the key is in it, in the open (%v)", err)
	}
	dir := t.TempDir()
	out, err := restore(t, backup, "--data-dir", dir)
	if err != nil || !strings.Contains(out, "The backup has no key") {
		t.Errorf("%s, %v", out, err)
	}
	// A directory with another tower's key takes nothing.
	other := t.TempDir()
	if _, err := loadKey(filepath.Join(other, keyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, backup, "--data-dir", other); err == nil || !strings.Contains(err.Error(), "the backup is of") {
		t.Errorf("got %v", err)
	}
	if _, err := restore(t, filepath.Join(other, keyFile), "--data-dir", t.TempDir()); !errors.Is(err, store.ErrNoBackup) {
		t.Errorf("got %v", err)
	}
}

func (d *daemon) privateHex(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(d.path(keyFile))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(text)
}

// TestTheOnionKeyIsInTheBackup, of a node's tower, too, or it is said that it is not.
func TestTheOnionKeyIsInTheBackup(t *testing.T) {
	cheap(t)
	for _, inNode := range []bool{false, true} {
		c, backup, _ := backedUp(t, "")
		c.daemon.inNode = inNode
		pass := filepath.Join(t.TempDir(), "pass")
		if err := errors.Join(os.WriteFile(c.daemon.path(onionKeyFile), []byte("onion"), 0o600), os.WriteFile(pass, []byte("p"), 0o600)); err != nil {
			t.Fatal(err)
		}
		answer, err := c.Backup(t.Context(), backup+"-plain", "")
		if err != nil || !strings.Contains(answer.Notes[0], "onion.key (without it") || strings.Contains(answer.Notes[0], "tower.key (") == inNode {
			t.Errorf("in a node %v, without a passphrase: %+v, %v", inNode, answer, err)
		}
		if out, err := restore(t, backup+"-plain", "--data-dir", t.TempDir()); err != nil || !strings.Contains(out, "onion.key IS NOT IN THE BACKUP") {
			t.Errorf("in a node %v, restored without it: %s, %v", inNode, out, err)
		}
		answer, err = c.Backup(t.Context(), backup+"-sealed", "p")
		if err != nil || !slices.Contains(answer.Sealed, onionKeyFile) || slices.Contains(answer.Sealed, keyFile) == inNode || strings.Contains(answer.Notes[0], "NOT IN IT") {
			t.Errorf("in a node %v, with a passphrase: %+v, %v", inNode, answer, err)
		}
		dir := t.TempDir()
		out, err := restore(t, backup+"-sealed", "--data-dir", dir, "--passphrase", pass)
		if err != nil || strings.Contains(out, "onion.key IS NOT") {
			t.Errorf("in a node %v: %s, %v", inNode, out, err)
		}
		if key, err := os.ReadFile(filepath.Join(dir, onionKeyFile)); err != nil || string(key) != "onion" {
			t.Errorf("in a node %v, restored: %q, %v", inNode, key, err)
		}
	}
}

func TestANodesBackupTakesNoPassphrase(t *testing.T) {
	c, backup, _ := backedUp(t, "")
	c.daemon.inNode = true
	if _, err := c.Backup(t.Context(), backup+"2", "x"); err == nil || !strings.Contains(err.Error(), "comes from the node") {
		t.Errorf("got %v", err)
	}
	answer, err := c.Backup(t.Context(), backup+"2", "")
	if err != nil || answer.Notes[0] != noteNode {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, err := c.Backup(t.Context(), backup+"2", ""); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("got %v", err)
	}
}

// A backup that can't be written is the caller's to mend, by its name, and not a
// tower that is away.
func TestABackupThatFailsNamesItsFile(t *testing.T) {
	c, backup, _ := backedUp(t, "")
	for _, file := range []string{filepath.Join(t.TempDir(), "no", "directory"), filepath.Join(backup, "below")} {
		_, err := c.Backup(t.Context(), file, "")
		if e := teos.AsError(err); e.Cause != teos.WrongType || !strings.Contains(e.Text, file) {
			t.Errorf("got %v", err)
		}
	}
}

func TestALogOfAnOldStoreIsNotTakenForTheRestoredOnes(t *testing.T) {
	_, backup, _ := backedUp(t, "")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, storeFile+"-wal"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, backup, "--data-dir", dir); !errors.Is(err, errStore) {
		t.Errorf("got %v", err)
	}
}

// What a backup says of itself makes no path and no mark before it is looked at.
func TestABackupThatIsNobodysIsRefused(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for name, spoil := range map[string]map[string]string{
		"of another world": {"network": "../../evil"}, "of an unknown chain": {"network": "bitcoin"}, "of no chain": {"network": ""},
		"of no tower": {"tower_id": "nonsense"}, "of a short id": {"tower_id": "02"},
	} {
		c, _, _ := backedUp(t, "")
		towertest.Update(t, c.daemon.store, func(tx tower.Tx) (err error) {
			for name, value := range spoil {
				err = errors.Join(err, tx.SetIdentity(name, value))
			}
			return err
		})
		backup, dir := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "new")
		if _, err := c.daemon.store.Backup(t.Context(), backup, nil); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{backup}, {backup, "--data-dir", dir}} {
			if out, err := restore(t, args...); !errors.Is(err, store.ErrNoBackup) {
				t.Errorf("%s: %s, %v", name, out, err)
			}
		}
		if exists(dir) || exists(filepath.Join(home, ".vigil")) {
			t.Errorf("%s: something was written", name)
		}
	}
}

// A key that is missing is not made anew where another one belongs: that would be
// another tower, and its file would be in the way of the right one.
func TestNoKeyIsMadeWhereATowerWas(t *testing.T) {
	_, backup, _ := backedUp(t, "")
	restored := t.TempDir()
	if _, err := restore(t, backup, "--data-dir", restored); err != nil {
		t.Fatal(err)
	}
	unmarked := t.TempDir()
	if _, err := restore(t, backup, "--data-dir", unmarked); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(unmarked, markFile)); err != nil {
		t.Fatal(err)
	}
	marked := t.TempDir()
	if err := os.WriteFile(filepath.Join(marked, markFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]error{restored: errNoKey, unmarked: errNoKey, marked: errMissing} {
		_, err := shell(t, "tower", "--network", "regtest", "--data-dir", dir, "--bitcoind", chainOf(t, "regtest", 250))
		if !errors.Is(err, want) || exists(filepath.Join(dir, keyFile)) {
			t.Errorf("got %v, want %v; a key is there: %v", err, want, exists(filepath.Join(dir, keyFile)))
		}
	}
}

// A restore that can't write the key takes the store back: else the next one would
// find a store in its way.
func TestARestoreIsWholeOrNone(t *testing.T) {
	cheap(t)
	_, backup, _ := backedUp(t, "a passphrase")
	dir, pass := t.TempDir(), filepath.Join(t.TempDir(), "pass")
	inTheWay := filepath.Join(dir, keyFile+".new")
	if err := errors.Join(os.Mkdir(inTheWay, 0o700), os.WriteFile(pass, []byte("a passphrase"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, backup, "--data-dir", dir, "--passphrase", pass); err == nil || !strings.Contains(err.Error(), inTheWay) {
		t.Errorf("got %v", err)
	}
	if exists(filepath.Join(dir, storeFile)) {
		t.Error("a store without its key")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, backup, "--data-dir", dir, "--passphrase", pass); err != nil {
		t.Error(err)
	}
}
