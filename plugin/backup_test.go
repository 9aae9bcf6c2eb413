package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower/towertest"
	"vigil/internal/towerrpc"
)

// served is a tower that the shell can ask, in a directory.
func served(t *testing.T, through func(*core) towerrpc.Desk) (dir string) {
	t.Helper()
	c, _, _ := backedUp(t, "")
	// A socket's path must be short.
	dir, err := os.MkdirTemp("", "vigil")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := towerrpc.Listen(filepath.Join(dir, socketFile))
	if err != nil {
		t.Fatal(err)
	}
	s := towerrpc.NewServer(c, through(c), towertest.Check(), c.daemon.log)
	done := make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.Stop(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return dir
}

func itself(c *core) towerrpc.Desk { return c }

// shell runs a command as the shell does.
func shell(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := command(t.Context(), args, &out)
	return out.String(), err
}

// A passphrase that came out empty (a secret that could not be read, a variable
// that is not set) must not make a backup without the key.
func TestAnEmptyPassphraseMakesNoBackup(t *testing.T) {
	cheap(t)
	dir, to := served(t, itself), t.TempDir()
	empty := filepath.Join(t.TempDir(), "empty")
	lines := filepath.Join(t.TempDir(), "lines")
	if err := errors.Join(os.WriteFile(empty, nil, 0o600), os.WriteFile(lines, []byte("\r\n\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(to, "backup")
	for name, want := range map[string]string{"/dev/null": "is empty", empty: "is empty", lines: "1 to 1024 bytes", "": "--passphrase needs"} {
		_, err := shell(t, "backup", backup, "--data-dir", dir, "--passphrase", name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
		_, err = shell(t, "restore", backup, "--data-dir", dir, "--passphrase", name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("restore with %q: %v", name, err)
		}
	}
	client, err := towerrpc.Dial(filepath.Join(dir, socketFile))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	params, err := json.Marshal(map[string]string{"file": backup, "passphrase": ""})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Ask(t.Context(), "backup", params); teos.AsError(err).Cause != teos.WrongType {
		t.Errorf("asked with an empty one: %v", err)
	}
	if left, err := os.ReadDir(to); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if out, err := shell(t, "backup", backup, "--data-dir", dir); err != nil || !strings.Contains(out, "NOT IN IT: tower.key") {
		t.Errorf("without one: %s, %v", out, err)
	}
}

// elsewhere is a tower whose directories are not the shell's, as in a container.
type elsewhere struct {
	*core
	root string
}

func (e elsewhere) Ask(ctx context.Context, method string, params []byte) ([]byte, error) {
	var given map[string]string
	if err := json.Unmarshal(params, &given); err != nil {
		return nil, err
	}
	named := given["file"]
	given["file"] = filepath.Join(e.root, filepath.Base(named))
	params, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	answer, err := e.core.Ask(ctx, method, params)
	return bytes.ReplaceAll(answer, []byte(given["file"]), []byte(named)), err
}

func TestABackupThatTheShellDoesNotSeeIsTold(t *testing.T) {
	root := t.TempDir()
	dir := served(t, func(c *core) towerrpc.Desk { return elsewhere{c, root} })
	to := filepath.Join(t.TempDir(), "backup")
	out, err := shell(t, "backup", to, "--data-dir", dir)
	if !errors.Is(err, errElsewhere) || !strings.Contains(err.Error(), to) || !strings.Contains(out, to) {
		t.Errorf("%s, %v", out, err)
	}
	if !exists(filepath.Join(root, "backup")) {
		t.Error("the tower wrote nothing")
	}
	// A file that only the shell sees is not the backup.
	to = filepath.Join(t.TempDir(), "older")
	if err := os.WriteFile(to, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := shell(t, "backup", to, "--data-dir", dir); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if exists(filepath.Join(root, "older")) {
		t.Error("a backup was made all the same")
	}
}

func TestABackupThatTheShellSees(t *testing.T) {
	dir := served(t, itself)
	to := filepath.Join(t.TempDir(), "a name?of #%20 things")
	if out, err := shell(t, "backup", to, "--data-dir", dir); err != nil || !exists(to) {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := shell(t, "backup", to+"\xff", "--data-dir", dir); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("a name that is not UTF-8: %v", err)
	}
}

// TestABackupIsNoStream: "-" is where other commands read, and a file of that name
// would be what nobody looks for.
func TestABackupIsNoStream(t *testing.T) {
	dir := served(t, itself)
	t.Chdir(t.TempDir())
	_, err := shell(t, "backup", "-", "--data-dir", dir)
	if err == nil || !strings.Contains(err.Error(), "name a new file") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat("-"); err == nil {
		t.Error("a file - is there")
	}
	if _, err := shell(t, "backup", "./-", "--data-dir", dir); err != nil {
		t.Errorf("a file that is named so on purpose: %v", err)
	}
}
