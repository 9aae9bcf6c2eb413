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
	<-inside
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
	<-inside
	<-inside
	n.stdin.Close()
	answers, err := n.end()
	if err != nil || answers[`"a"`] != 1 || answers[`"b"`] != 1 {
		t.Errorf("Run: %v, answers %v", err, answers)
	}
	wantError(t, n.answer(`"a"`), CodeTerminated, "the plugin is stopping")
}

func TestStalledStdoutDoesNotHoldStopUp(t *testing.T) {
	in, stdin := pipe(t)
	defer in.Close()
	stdout, out := pipe(t)
	defer stdout.Close()
	p := &Plugin{limits: limits{grace: 10 * time.Millisecond}, Methods: []Method{echo("echo")}}
	ended := make(chan error, 1)
	go func() { ended <- p.Run(t.Context(), in, out) }()
	go func() { // more answers than the pipe and the queue hold
		defer stdin.Close()
		io.WriteString(stdin, request("0", "init", initParams))
		big := `["` + strings.Repeat("x", 1<<10) + `"]`
		for i := range 2 * maxQueue {
			if _, err := io.WriteString(stdin, request(fmt.Sprint(i), "echo", big)); err != nil {
				return
			}
		}
	}()
	for len(p.outbox().texts) < maxQueue {
		select {
		case err := <-ended:
			t.Fatalf("Run ended: %v", err)
		case <-time.Tick(time.Millisecond):
		}
	}
	stdin.Close()
	in.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("Run does not return")
	}
}

func TestDeadlineOfACall(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	n := initialised(t, &Plugin{limits: limits{deadline: 10 * time.Millisecond, grace: 50 * time.Millisecond},
		Methods: []Method{waiting(inside, release), {Name: "obeys",
			Handle: func(ctx context.Context, _ json.RawMessage) (any, error) {
				<-ctx.Done()
				return nil, fmt.Errorf("store: %w", ctx.Err())
			}}}})
	wantError(t, n.call(`"obeys"`, "obeys", "[]"), CodePlugin, "the call took too long; try again")
	n.send(request(`"ignores"`, "wait", "[]"))
	<-inside
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
