package crash

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"vigil/tests/harness"
)

// strace is what makes the system fail a call, or kills the tower at one, with
// no hook in the tower itself. Without it, or where it may not trace, the test
// is skipped.
func strace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("NOT RUN here: no strace on PATH")
	}
	var stderr bytes.Buffer
	try := exec.CommandContext(t.Context(), path, "-f", "-qq", "-e", "trace=none", "-e", "inject=sync:error=EIO", "true")
	try.Stderr = &stderr
	if err := try.Run(); err != nil {
		t.Skipf("NOT RUN here: strace does not work: %v: %s", err, stderr.Bytes())
	}
	return path
}

// tracer is strace, attached to a running tower.
type tracer struct {
	t    *testing.T
	cmd  *exec.Cmd
	said said
	done chan struct{}
}

// said is what a program wrote, readable while it writes.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.text.Bytes(), []byte(text))
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// attach lets strace bend the tower's calls from now on. With a path only
// calls on that file are bent. Calls are counted in each thread by itself.
func attach(t *testing.T, tower *harness.Solo, path string, rules ...string) *tracer {
	t.Helper()
	args := []string{"-f", "-p", strconv.Itoa(tower.Pid()), "-o", "/dev/null"}
	if path != "" {
		args = append(args, "-P", path)
	}
	for _, rule := range rules {
		args = append(args, "-e", "inject="+rule)
	}
	tr := &tracer{t: t, cmd: exec.Command(strace(t), args...), done: make(chan struct{})}
	tr.start()
	return tr
}

// start waits until strace holds the tower.
func (tr *tracer) start() {
	tr.t.Helper()
	tr.cmd.Stderr = &tr.said
	if err := tr.cmd.Start(); err != nil {
		tr.t.Fatal(err)
	}
	go func() {
		defer close(tr.done)
		_ = tr.cmd.Wait() // it ends as the tower does, or by detach
	}()
	tr.t.Cleanup(tr.detach)
	attached := func() bool { return tr.said.has("attached") || tr.ended() }
	if !poll(tr.t, harness.Patience, attached) || tr.ended() {
		tr.t.Fatalf("strace does not attach: %v", &tr.said)
	}
}

func (tr *tracer) ended() bool {
	select {
	case <-tr.done:
		return true
	default:
		return false
	}
}

// detach lets the tower go on as if nothing had been.
func (tr *tracer) detach() {
	if err := tr.cmd.Process.Signal(syscall.SIGINT); err == nil {
		<-tr.done
	}
}

// walk starts the tower under a strace that kills it at the nth call of a
// kind, and tells whether it was killed before it answered.
func walk(t *testing.T, tower *harness.Solo, call string, n int) (killed bool) {
	t.Helper()
	rule := call + ":signal=SIGKILL:when=" + strconv.Itoa(n)
	// -D: strace itself is the child, the tower is what was launched.
	tower.Launch(strace(t), "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+rule)
	if !poll(t, harness.Patience, func() bool { return !tower.Running() || tower.HTTP().Ping(t.Context()) }) {
		t.Fatal("the tower neither answers nor ends")
	}
	return !tower.Running()
}

// ended waits until the tower was killed.
func ended(t *testing.T, tower *harness.Solo) {
	t.Helper()
	if !poll(t, harness.Patience, func() bool { return !tower.Running() }) {
		t.Fatal("the tower was to be killed, and is not")
	}
}

// Files in the data directory.
func storeOf(dir string) string { return filepath.Join(dir, "tower.sqlite") }
func walOf(dir string) string   { return storeOf(dir) + "-wal" }
