package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// shownLog is how much of the end of a log is printed when a test fails.
const shownLog = 8 << 10

// process is a program that was started, its output in a file.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	log  *os.File
}

// startProcess starts cmd; its standard error, and its standard output where
// cmd does not set one, are appended to logPath.
func startProcess(cmd *exec.Cmd, logPath string) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p := &process{cmd: cmd, done: make(chan struct{}), log: log}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // the exit status stays in cmd.ProcessState
		_ = log.Close()
	}()
	return p, nil
}

// signal sends sig and waits until the program has ended.
func (p *process) signal(sig os.Signal, patience time.Duration) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.wait(patience)
}

// wait waits until the program has ended of itself.
func (p *process) wait(patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return fmt.Errorf("%s did not end within %v", filepath.Base(p.cmd.Path), patience)
	}
}

// running tells whether the program has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the program at once, as a power cut would. It is safe to repeat.
func (p *process) kill() error { return p.signal(syscall.SIGKILL, Patience) }

// showOnFailure prints the end of a log file after a test that failed.
func showOnFailure(t T, name, path string) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("---- end of the log of %s:\n%s", name, tail(path))
		}
	})
}

// wantNoDefect fails a test whose program told of a data race or a panic, and
// prints the end of the program's log when the test fails for anything else.
func wantNoDefect(t T, name, path string) {
	showOnFailure(t, name, path)
	t.Cleanup(func() {
		log, _ := os.ReadFile(path) // there is none where nothing was started
		for _, defect := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
			if at := bytes.Index(log, []byte(defect)); at >= 0 {
				t.Errorf("%s: %s", name, log[at:min(len(log), at+shownLog)])
			}
		}
	})
}

func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-shownLog), io.SeekStart)
	}
	b, _ := io.ReadAll(f)
	return strings.TrimSpace(string(b))
}
