package cln

// One test for each fault of glightning that matters here. Their numbers are
// those of the list in docs/adr/0002-glightning-behind-a-guard.md.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Faults 1, 2 and 4: a wrong type printed to stdout or panicked, numbers went
// through float64, null became "<invalid reflect.Value>".
func TestFault1And2And4ParametersArriveExactly(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	for i, params := range []string{
		`{"user":"bob","period":-1}`, `{"user":5}`, `{"user":[1,{"a":null}]}`, `{"bogus":"1"}`, `{}`,
		`[]`, `["a",null]`, `[null,"b",3,4,5,6]`, `[{"locator":"aa"},"notarray"]`,
		`[9007199254740993,12345678901234567890123456789012,11e11,1.50,-0]`,
		`["<&>","ü\u00fc\ud83d\ude00","\\\"\n\t"]`, `[ "spaces" ,	1 ]`,
	} {
		id := fmt.Sprintf(`"p#%d"`, i)
		if a := n.call(id, "echo", params); string(a.Result) != echoed(t, params) {
			t.Errorf("params %s: answer %s", params, a.text)
		}
	}
}

func TestFault1And2And4NullParamsAreNone(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	n.send(`{"jsonrpc":"2.0","id":1,"method":"echo"}`)
	for _, a := range []wire{n.call("2", "echo", "null"), n.answer("1")} {
		if string(a.Result) != echoed(t, "[]") {
			t.Errorf("answer %s", a.text)
		}
	}
	for i, params := range []string{`"x"`, `7`, `true`} {
		a := n.call(fmt.Sprint(10+i), "echo", params)
		wantError(t, a, CodeInvalidParams, "params must be an array or an object")
	}
}

func TestFault2PanicIsAnswered(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{
		echo("echo"),
		{Name: "nil-map", Handle: func(context.Context, json.RawMessage) (any, error) {
			var m map[string]int
			m["a"] = 1
			return m, nil
		}},
		{Name: "encoder", Handle: func(context.Context, json.RawMessage) (any, error) { return panics{}, nil }},
	}})
	for i, method := range []string{"nil-map", "encoder"} {
		wantError(t, n.call(fmt.Sprint(i), method, "[]"), CodeInternal, "internal error; see the log")
	}
	w := n.wait("stack in the log", func(w wire) bool {
		return w.Params.Level == "broken" && strings.Contains(w.Params.Message, "assignment to entry in nil map")
	})
	if !strings.Contains(w.Params.Message, "TestFault2PanicIsAnswered") || len(w.Params.Message) > maxLogLine {
		t.Errorf("log line of %d bytes: %s", len(w.Params.Message), w.Params.Message)
	}
	if a := n.call("9", "echo", "[]"); a.Error != nil {
		t.Errorf("after the panics: %s", a.text)
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no JSON today") }

func TestFault3ErrorsKeepCodeAndData(t *testing.T) {
	fail := func(err error) Method {
		return Method{Handle: func(context.Context, json.RawMessage) (any, error) { return nil, err }}
	}
	tests := map[string]struct {
		method Method
		want   string
	}{
		"code-data": {fail(&Error{-32602, "missing <locator>", map[string]int{"k": 1}}),
			`{"code":-32602,"message":"missing <locator>","data":{"k":1}}`},
		"wrapped":   {fail(fmt.Errorf("add: %w", &Error{Code: 7, Message: "no slots"})), `{"code":7,"message":"no slots"}`},
		"bad-data":  {fail(&Error{8, "odd", func() {}}), `{"code":8,"message":"odd"}`},
		"unknown":   {fail(errors.New("disk /secret/path is full")), `{"code":-32603,"message":"internal error; see the log"}`},
		"typed-nil": {fail((*Error)(nil)), `{"code":-32603,"message":"internal error; see the log"}`},
	}
	p := &Plugin{}
	for name, tt := range tests {
		tt.method.Name = name
		p.Methods = append(p.Methods, tt.method)
	}
	n := initialised(t, p)
	for name, tt := range tests {
		if a := n.call(`"`+name+`"`, name, "[]"); string(a.Error) != tt.want {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	n.logged("unusual", `a call failed method=unknown error="disk /secret/path is full"`)
}

func TestFault3NilResultIsAnObject(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{{Name: "nothing",
		Handle: func(context.Context, json.RawMessage) (any, error) { return nil, nil }}}})
	if a := n.call("1", "nothing", "[]"); a.text != `{"jsonrpc":"2.0","id":1,"result":{}}` {
		t.Errorf("answer %s", a.text)
	}
}

func TestFault5ConfigIsWhole(t *testing.T) {
	got := make(chan Config, 1)
	n := startNode(t, &Plugin{Init: func(_ context.Context, c Config) string { got <- c; return "" }})
	n.call("1", "init", `{"options":{"vigil-n":9007199254740993,"vigil-m":["a","b"],"vigil-f":true},"configuration":`+
		`{"lightning-dir":"/ln/regtest","rpc-file":"lightning-rpc","startup":true,"network":"regtest"}}`)
	c := receive(t, got)
	if c.LightningDir != "/ln/regtest" || c.RPCFile != "/ln/regtest/lightning-rpc" || c.Network != "regtest" || !c.Startup {
		t.Errorf("config %+v", c)
	}
	if o := fmt.Sprintf("%s", c.Options); o != `map[vigil-f:true vigil-m:["a","b"] vigil-n:9007199254740993]` {
		t.Errorf("options %s", o)
	}
}

func TestFault6NotificationsKeepTheirOrder(t *testing.T) {
	const count = 20_000
	heights := make(chan uint32, count)
	n := initialised(t, &Plugin{Block: func(h uint32) { heights <- h }})
	var burst strings.Builder
	for i := range count {
		fmt.Fprintf(&burst, `{"jsonrpc":"2.0","method":"block_added","params":{"block_added":{"hash":"00","height":%d}}}`+"\n\n", i)
	}
	n.send(burst.String())
	for i := range uint32(count) {
		if h := receive(t, heights); h != i {
			t.Fatalf("height %d came in place of %d", h, i)
		}
	}
}

func TestFault6CallsAreBounded(t *testing.T) {
	release := make(chan struct{})
	started := make(chan struct{}, 2)
	p := &Plugin{limits: limits{calls: 2}, Methods: []Method{{Name: "wait",
		Handle: func(context.Context, json.RawMessage) (any, error) {
			started <- struct{}{}
			<-release
			return nil, nil
		}}}}
	n := initialised(t, p)
	n.send(request("1", "wait", "[]") + request("2", "wait", "[]"))
	receive(t, started)
	receive(t, started)
	wantError(t, n.call("3", "wait", "[]"), CodePlugin, "too many calls at once; try again")
	close(release)
	n.answer("1")
	n.answer("2")
}

// A caller that waits for each answer never meets its own last call.
func TestFault6PlaceIsFreeBeforeTheAnswer(t *testing.T) {
	n := initialised(t, &Plugin{limits: limits{calls: 1}, Methods: []Method{echo("echo")}})
	for i := range 200 {
		if a := n.call(fmt.Sprint(i), "echo", "[]"); a.Error != nil {
			t.Fatalf("call %d: %s", i, a.text)
		}
	}
}

func TestFault7LongLogLinesPass(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	log.Print(strings.Repeat("é", 50_000))
	log.Print("short\nlines")
	n.wait("cut line", func(w wire) bool {
		m := w.Params.Message
		return w.Params.Level == "debug" && len(m) > 1990 && len(m) <= maxLogLine && strings.HasSuffix(m, "é…")
	})
	n.logged("debug", `short\nlines`)
	if a := n.call("1", "echo", "[]"); a.Error != nil {
		t.Errorf("after a long line: %s", a.text)
	}
}

func TestFault7LoggingBeforeRunDoesNotBlock(t *testing.T) {
	p := &Plugin{}
	logger := slog.New(p.LogHandler())
	for i := range 3000 {
		logger.Info("early", "line", i)
	}
	n := startNode(t, p)
	n.logged("info", "early line=0")
	n.logged("unusual", "1976 log lines were dropped")
}

// Fault 8: Stop panicked with calls in flight. Under -race.
func TestFault8StopWithCallsInFlight(t *testing.T) {
	const calls = 100
	inside := make(chan struct{}, calls)
	n := initialised(t, &Plugin{Methods: []Method{
		{Name: "until-cancelled", Handle: func(ctx context.Context, _ json.RawMessage) (any, error) {
			inside <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}}}, limits: limits{grace: 50_000_000}})
	for i := range calls {
		n.send(request(fmt.Sprint(i+1), "until-cancelled", "[]"))
	}
	for range calls {
		receive(t, inside)
	}
	n.send(`{"jsonrpc":"2.0","method":"shutdown","params":{"shutdown":{}}}`)
	answers, err := n.end()
	if err != nil {
		t.Errorf("Run: %v", err)
	}
	for i := range calls {
		if c := answers[fmt.Sprint(i+1)]; c != 1 {
			t.Errorf("request %d has %d answers", i+1, c)
		}
	}
	wantError(t, n.answer("1"), CodeTerminated, "the plugin is stopping")
}

// Fault 9, the part of the plugin: the library's client joined an absolute
// rpc-file to the directory. The client's own faults are in rpc_test.go.
func TestFault9AbsoluteRPCFileStays(t *testing.T) {
	c, err := parseInit(json.RawMessage(`{"configuration":{"lightning-dir":"/ln/regtest","rpc-file":"/run/ln.sock"}}`))
	if err != nil || c.RPCFile != "/run/ln.sock" {
		t.Errorf("rpc-file %q, %v", c.RPCFile, err)
	}
}

func TestFault10UnknownNotificationsAndBatches(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	n.send(`{"jsonrpc":"2.0","method":"channel_opened","params":{}}`)
	n.send(`[` + request("1", "echo", "[]") + `]`)
	wantError(t, n.answer("null"), CodeInvalidRequest, "batches are not supported")
	wantError(t, n.call("2", "no-such", "[]"), CodeMethodNotFound, "unknown method no-such")
	n.stdin.Close()
	if answers, _ := n.end(); len(answers) != 3 || answers["null"] != 1 {
		t.Errorf("answers %v", answers)
	}
}

func TestFault11IDsComeBackExactly(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	for _, id := range []string{
		`"cli:echo#17/cln:echo#301"`, `"a\"b\\c\u00e9\/"`, `""`, `0`, `-7`, `12345678901234567890`, `1.50`, `null`,
	} {
		if a := n.call(id, "echo", "[]"); a.Error != nil || !strings.HasPrefix(a.text, `{"jsonrpc":"2.0","id":`+id+`,`) {
			t.Errorf("id %s: %s", id, a.text)
		}
	}
}

// Fault 12: messages ended at a blank line, so that parameters could hold a
// second request.
func TestFault12BlankLinesInsideARequest(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo"), {Name: "admin",
		Handle: func(context.Context, json.RawMessage) (any, error) { t.Error("smuggled in"); return nil, nil }}}})
	params := "[\"a\",\n\n" + request("7", "admin", "[]") + "\n\n,\"{[\\\"\"]"
	if a := n.call(`"blank"`, "echo", params); string(a.Result) != echoed(t, params) {
		t.Errorf("answer %s", a.text)
	}
	a := n.call(`"raw"`, "echo", "[\"\n\n\","+request("8", "admin", "[]")+"]")
	wantError(t, a, CodeParse, "the request is not valid JSON, or too deep")
	n.stdin.Close()
	if answers, _ := n.end(); answers["7"]+answers["8"] != 0 {
		t.Errorf("answers %v", answers)
	}
}

func TestFault12LargeRequestsAreRefused(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	big := `["` + strings.Repeat("x", 5<<20) + `"]`
	wantError(t, n.call(`"id-first"`, "echo", big), CodeInvalidRequest, "the request is too large: at most 4 MiB")
	n.send(`{"jsonrpc":"2.0","method":"echo","params":` + big + `,"id":"id-last"}`)
	wantError(t, n.answer(`"id-last"`), CodeInvalidRequest, "the request is too large: at most 4 MiB")
	fits := `["` + strings.Repeat("x", 1<<20) + `"]`
	if a := n.call("3", "echo", fits); string(a.Result) != echoed(t, fits) {
		t.Errorf("the next request: %.200s", a.text)
	}
}

// Fault 13: whatever else printed to stdout got the plugin killed. Here all
// that comes out is whole messages, however many write at once.
func TestFault13OnlyMessagesOnStdout(t *testing.T) {
	p := &Plugin{Methods: []Method{echo("echo")}, Notifications: []string{"vigil-breach"}}
	n := initialised(t, p)
	logger := slog.New(p.LogHandler())
	var notices sync.WaitGroup
	for i := range 50 {
		go logger.Info("line")
		go log.Print("std")
		notices.Go(func() {
			if err := p.Notify(t.Context(), "vigil-breach", map[string]int{"n": i}); err != nil {
				t.Error(err)
			}
		})
		go io.WriteString(n.stdin, request(fmt.Sprint(i), "echo", "[]"))
	}
	for i := range 50 {
		n.answer(fmt.Sprint(i))
	}
	notices.Wait()
	n.wait("notification", func(w wire) bool {
		return w.text == `{"jsonrpc":"2.0","method":"vigil-breach","params":{"n":49}}`
	})
	if err := p.Notify(t.Context(), "block_added", nil); err == nil || err.Error() != `the notification "block_added" is not declared` {
		t.Errorf("an undeclared topic: %v", err)
	}
	if i := slices.IndexFunc(n.seen, func(w wire) bool { return !strings.HasPrefix(w.text, `{"jsonrpc":"2.0"`) }); i >= 0 {
		t.Errorf("stdout holds %s", n.seen[i].text)
	}
}

// A notification that was not written must be told as such: who sends it counts
// on it.
func TestANotificationIsSentOrFails(t *testing.T) {
	p := &Plugin{Notifications: []string{"vigil-breach"}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Notify(ctx, "vigil-breach", struct{}{}); !errors.Is(err, context.Canceled) {
		t.Errorf("before anybody writes: %v", err)
	}
	p.outbox().abandon(nil)
	if err := p.Notify(t.Context(), "vigil-breach", struct{}{}); !errors.Is(err, errGone) {
		t.Errorf("after lightningd has gone: %v", err)
	}
}
