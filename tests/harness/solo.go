package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// Solo is `vigil tower` on a directory that outlives it: for tests that end it
// at any moment, trace it, or break the disk under it. Nothing is said by it
// until it was launched.
type Solo struct {
	*standalone
	log string // not where the data is: that may be full
}

// NewSolo prepares a tower of a program in a directory for its data, on a port
// of its own. The end of the test kills it.
func NewSolo(t T, node *Node, program, dir string, options Options) *Solo {
	t.Helper()
	return NewSoloAt(t, node, program, dir, FreeAddress(t), options)
}

// NewSoloAt is NewSolo on a given address.
func NewSoloAt(t T, node *Node, program, dir, address string, options Options) *Solo {
	t.Helper()
	s := &Solo{
		standalone: &standalone{t: t, program: program, dir: dir, address: address,
			args: standaloneArgs(node, dir, address, options)},
		log: filepath.Join(Dir(t), "tower.log"),
	}
	wantNoDefect(t, "the tower", s.log)
	t.Cleanup(func() {
		if s.proc != nil {
			s.Kill()
		}
	})
	return s
}

// Launch starts the tower and waits for nothing. Words before the program are
// those of a wrapper, which must become the program itself.
func (s *Solo) Launch(wrapper ...string) {
	s.t.Helper()
	words := append(append(wrapper, s.program), s.args...)
	var err error
	if s.proc, err = startProcess(exec.Command(words[0], words[1:]...), s.log); err != nil {
		s.t.Fatalf("start the tower: %v", err)
	}
}

// Pid is the process of the tower that was launched last.
func (s *Solo) Pid() int { return s.proc.cmd.Process.Pid }

// Running tells whether that process has not ended yet.
func (s *Solo) Running() bool { return s.proc.running() }

// Signal sends a signal and waits for nothing.
func (s *Solo) Signal(signal syscall.Signal) error { return s.proc.cmd.Process.Signal(signal) }

// Ended is closed when that process has ended.
func (s *Solo) Ended() <-chan struct{} { return s.proc.done }

// Log is what the tower has said on standard error since its first launch.
func (s *Solo) Log() string {
	s.t.Helper()
	log, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatalf("read the tower's log: %v", err)
	}
	return string(log)
}

// PlainVigil is Vigil without the race detector, which makes a traced program
// too slow.
func PlainVigil(t T) string {
	t.Helper()
	path, err := buildPlain()
	if err != nil {
		t.Fatalf("build vigil: %v", err)
	}
	return path
}

var buildPlain = sync.OnceValues(func() (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	return buildProduct(root, "vigil")
})

// standaloneArgs are the words after `vigil`. Blocks are heard of as by default, not
// over ZMQ.
func standaloneArgs(node *Node, dir, address string, options Options) []string {
	args := []string{"tower", "--network", "regtest", "--data-dir", dir, "--api-bind", address, "--bitcoind", node.URL()}
	if node.Cookie() != "" {
		args = append(args, "--bitcoind-cookie", node.Cookie())
	}
	for name, value := range options.with() {
		args = append(args, "--"+name, fmt.Sprint(value))
	}
	return args
}
