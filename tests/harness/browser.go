package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
)

// Browser is a real headless Chromium, driven by the program in tests/browser.
type Browser struct {
	t   T
	in  io.WriteCloser
	out *bufio.Reader
}

// Do is what a browser is told: see the commands of tests/browser.
type Do struct {
	Width, Height int64  `json:",omitempty"`
	Dark          bool   `json:",omitempty"`
	Open          string `json:",omitempty"`
	Until         string `json:",omitempty"`
	Eval          string `json:",omitempty"`
	Shot          string `json:",omitempty"`
}

// Did is what came of it: the value of Eval, and all that the browser has complained
// of and asked for until then.
type Did struct {
	Value            json.RawMessage
	Err              string
	Complaints, URLs []string
}

// HasChromium says why this machine has no Chromium; nil where it has.
func HasChromium() error {
	if _, err := exec.LookPath("chromium"); err != nil {
		return fmt.Errorf("no chromium on PATH (Debian: apt-get install chromium): %w", err)
	}
	return nil
}

// StartBrowser starts Chromium; it ends with the test.
func StartBrowser(t T) *Browser {
	t.Helper()
	program, err := buildBrowser()
	if err != nil {
		t.Fatalf("build tests/browser: %v", err)
	}
	cmd := exec.Command(program, "chromium")
	log := filepath.Join(Dir(t), "browser.log")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	out, answers := io.Pipe()
	cmd.Stdout = answers
	process, err := startProcess(cmd, log)
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	showOnFailure(t, "the browser", log)
	t.Cleanup(func() {
		in.Close()
		if err := process.wait(Patience); err != nil {
			t.Errorf("the browser does not end: %v", err)
			_ = process.kill()
		}
	})
	go func() { <-process.done; answers.Close() }()
	return &Browser{t, in, bufio.NewReader(out)}
}

// Do does something, and ends the test where that fails.
func (b *Browser) Do(what Do) (did Did) {
	b.t.Helper()
	if err := json.NewEncoder(b.in).Encode(what); err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	line, err := b.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &did)
	}
	if err != nil || did.Err != "" {
		b.t.Fatalf("the browser, told %+v: %v %s", what, err, did.Err)
	}
	return did
}

// Value evaluates an expression in JavaScript into result.
func (b *Browser) Value(expression string, result any) {
	b.t.Helper()
	if err := json.Unmarshal(b.Do(Do{Eval: expression}).Value, result); err != nil {
		b.t.Fatalf("the browser: %s: %v", expression, err)
	}
}

var buildBrowser = sync.OnceValues(func() (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	return build(filepath.Join(root, ".cache", "browser"), filepath.Join(root, "tests", "browser"), ".")
})
