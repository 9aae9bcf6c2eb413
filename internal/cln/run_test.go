package cln

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waiting is a method whose handler ends only when release is closed; it
// ignores its ctx.
func waiting(inside, release chan struct{}) Method {
	return Method{Name: "wait", Handle: func(context.Context, json.RawMessage) (any, error) {
		inside <- struct{}{}
		<-release
		return "late", nil
	}}
}

func TestStdinEndEndsRun(t *testing.T) {
	n := initialised(t, &Plugin{})
	n.stdin.Close()
	if _, err := n.end(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestStdinEndInsideAMessageEndsRun(t *testing.T) {
	n := initialised(t, &Plugin{})
	io.WriteString(n.stdin, `{"jsonrpc":"2.0","id":9,"meth`)
	n.stdin.Close()
	if answers, err := n.end(); err != nil || answers["9"] != 0 {
		t.Errorf("Run: %v, answers %v", err, answers)
	}
}

func TestContextEndsRun(t *testing.T) {
	n := initialised(t, &Plugin{})
	n.cancel()
	if _, err := n.end(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestBrokenStdoutEndsRun(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	n.stdout.Close()
	n.send(request("1", "echo", "[]"))
	_, err := n.end()
	if !errors.Is(err, syscall.EPIPE) || !strings.HasPrefix(err.Error(), "write to lightningd: ") {
		t.Errorf("Run: %v", err)
	}
}

func TestStdinErrorEndsRun(t *testing.T) {
	broken := errors.New("broken")
	in := io.MultiReader(strings.NewReader("{}"), errReader{broken})
	if err := (&Plugin{}).Run(t.Context(), in, io.Discard); err != broken {
		t.Errorf("Run: %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestStopLetsCallsFinish(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	n := initialised(t, &Plugin{Methods: []Method{waiting(inside, release), echo("echo")}})
	n.send(request("1", "wait", "[]"))
	receive(t, inside)
	n.send(`{"jsonrpc":"2.0","method":"shutdown","params":{"shutdown":{}}}`)
	n.send(`{"jsonrpc":"2.0","method":"shutdown","params":{"shutdown":{}}}`)
	n.refused("echo")
	close(release)
	answers, err := n.end()
	if a := n.answer("1"); err != nil || string(a.Result) != `"late"` || answers["1"] != 1 {
		t.Errorf("Run: %v, answer %s", err, a.text)
	}
}

// refused calls a method until the plugin says that it is stopping.
func (n *node) refused(method string) {
	n.t.Helper()
	for i := 100; i < 10_000; i++ {
		if a := n.call(fmt.Sprint(i), method, "[]"); a.Error != nil {
			wantError(n.t, a, CodeTerminated, "the plugin is stopping")
			return
		}
	}
	n.t.Fatal("calls are still served")
}

func TestStopAnswersForHandlersThatHang(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	n := initialised(t, &Plugin{limits: limits{grace: 10 * time.Millisecond}, Methods: []Method{waiting(inside, release)}})
	n.send(request(`"a"`, "wait", "[]") + request(`"b"`, "wait", "[]"))
	receive(t, inside)
	receive(t, inside)
	n.stdin.Close()
	answers, err := n.end()
	if err != nil || answers[`"a"`] != 1 || answers[`"b"`] != 1 {
		t.Errorf("Run: %v, answers %v", err, answers)
	}
	wantError(t, n.answer(`"a"`), CodeTerminated, "the plugin is stopping")
}

// stalled runs p with a stdout that nobody reads, until no answer finds room.
func stalled(t *testing.T, p *Plugin) (cancel func(), ended chan error) {
	t.Helper()
	in, stdin := pipe(t)
	stdout, out := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended, written := make(chan error, 1), make(chan struct{})
	go func() { ended <- p.Run(ctx, in, out) }()
	go func() { // more answers than the pipe and the queue hold
		defer close(written)
		io.WriteString(stdin, request("0", "init", initParams))
		big := `["` + strings.Repeat("x", 1<<10) + `"]`
		for i := range 2 * maxQueue {
			if _, err := io.WriteString(stdin, request(fmt.Sprint(i), "echo", big)); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		in.Close()
		stdout.Close()
		stdin.Close()
		<-written
	})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); len(p.outbox().texts) < maxQueue; <-tick.C {
		if time.Now().After(end) {
			t.Fatal("the queue does not fill")
		}
	}
	return cancel, ended
}

func wantEnd(t *testing.T, ended chan error, want error) {
	t.Helper()
	select {
	case err := <-ended:
		if err != want {
			t.Errorf("Run: %v, want %v", err, want)
		}
	case <-time.After(patience):
		t.Fatal("Run does not return")
	}
}

func TestStalledStdoutDoesNotHoldStopUp(t *testing.T) {
	cancel, ended := stalled(t, &Plugin{limits: limits{grace: 10 * time.Millisecond, drain: 10 * time.Millisecond}, Methods: []Method{echo("echo")}})
	cancel()
	wantEnd(t, ended, nil)
}

// Behind answers without room nobody reads stdin, its end or a shutdown.
func TestStalledStdoutEndsRun(t *testing.T) {
	_, ended := stalled(t, &Plugin{limits: limits{grace: 10 * time.Millisecond, drain: 10 * time.Millisecond, stall: 50 * time.Millisecond}, Methods: []Method{echo("echo")}})
	wantEnd(t, ended, errStalled)
}

func TestDeadlineOfACall(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	n := initialised(t, &Plugin{limits: limits{deadline: 300 * time.Millisecond, grace: 50 * time.Millisecond},
		Methods: []Method{waiting(inside, release), {Name: "obeys",
			Handle: func(ctx context.Context, _ json.RawMessage) (any, error) {
				<-ctx.Done()
				return nil, fmt.Errorf("store: %w", ctx.Err())
			}}}})
	wantError(t, n.call(`"obeys"`, "obeys", "[]"), CodePlugin, "the call took too long; try again")
	n.send(request(`"ignores"`, "wait", "[]"))
	receive(t, inside)
	wantError(t, n.answer(`"ignores"`), CodePlugin, "the call took too long; try again")
	close(release)
	n.stdin.Close()
	if answers, err := n.end(); err != nil || answers[`"ignores"`] != 1 {
		t.Errorf("Run: %v, answers %v", err, answers)
	}
}

func TestRunGivesTheLogPackageBack(t *testing.T) {
	defer keepStdLog()()
	var out strings.Builder
	log.SetOutput(&out)
	log.SetFlags(0)
	n := initialised(t, &Plugin{})
	n.stdin.Close()
	if _, err := n.end(); err != nil {
		t.Errorf("Run: %v", err)
	}
	log.Print("after")
	if out.String() != "after\n" {
		t.Errorf("logged %q", out.String())
	}
}
