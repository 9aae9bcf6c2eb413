package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// TestARestoredTowerGoesOn loses its disk, and comes back from a backup that was
// made while it ran: the same tower, that answers what happened meanwhile.
func TestARestoredTowerGoesOn(t *testing.T) {
	t.Parallel()
	node := harness.StartNode(t, harness.Btcd())
	node.MineTo(firstHeight)
	dir, keep, vigil := harness.Dir(t), harness.Dir(t), harness.PlainVigil(t)
	data := filepath.Join(dir, "data")
	solo := harness.NewSolo(t, node, vigil, data, nil)
	s := &scene{T: t, node: node, tower: solo}
	start := func() {
		solo.Launch()
		harness.Until(t, "the tower to listen", func() bool { return solo.HTTP().Ping(t.Context()) })
	}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), vigil, append(args, "--data-dir", data)...).CombinedOutput(); err != nil {
			t.Fatalf("vigil %v: %v: %s", args, err, out)
		}
	}
	start()
	s.settle()
	user := s.user(teos.V2)
	b, later := s.watched(user), s.prepared(user)
	backup, pass := filepath.Join(keep, "backup"), filepath.Join(keep, "passphrase")
	if err := os.WriteFile(pass, []byte("four words are enough"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("backup", backup, "--passphrase", pass)
	s.add(user, later.appointment)

	solo.Kill()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	s.cheat(b)
	run("restore", backup, "--passphrase", pass)
	start()
	s.settle()
	s.answered(b)
	if got := s.subscription(user); len(got.Locators) != 1 {
		t.Errorf("what was handed in after the backup is there: %+v", got)
	}
	s.add(user, later.appointment) // its receipt is the same tower's
}

// TestABackupInANode is asked for by lightning-cli, and has no key in it.
func TestABackupInANode(t *testing.T) {
	s, node := inStandIn(t, nil)
	user := s.user(teos.V2)
	s.watched(user)
	file := filepath.Join(harness.Dir(t), "backup")
	ask := func(params ...any) (answer struct {
		Appointments int
		Sealed       []string
		Notes        []string
	}, err error) {
		return answer, node.Call(t.Context(), "vigil-backup", params, &answer)
	}
	if _, err := ask("backup"); err == nil || !strings.Contains(err.Error(), "absolute path") {
		t.Errorf("a relative path: %v", err)
	}
	if _, err := ask(file, "secret"); err == nil || !strings.Contains(err.Error(), "comes from the node") {
		t.Errorf("a passphrase: %v", err)
	}
	answer, err := ask(file)
	if err != nil || answer.Appointments != 1 || len(answer.Sealed) != 0 || !strings.Contains(answer.Notes[0], "hsm_secret") {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, err := ask(file); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("over a file: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), harness.Vigil(t), "restore", file, "--data-dir", harness.Dir(t)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "In a node it comes from the node itself") {
		t.Errorf("%s, %v", out, err)
	}
}
