package cln

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"
)

// patience bounds each wait of these tests; none depends on its length.
const patience = 20 * time.Second

// wire is one message of the plugin.
type wire struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Level   string `json:"level"`
		Message string `json:"message"`
	} `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
	text   string
}

// node drives Plugin.Run through real pipes, as lightningd does.
type node struct {
	t      *testing.T
	plugin *Plugin
	stdin  *os.File
	stdout *os.File
	cancel context.CancelFunc
	run    chan error
	mu     sync.Mutex
	more   *sync.Cond
	seen   []wire
	closed bool
}

// startNode runs p as lightningd does, with its LIGHTNINGD_PLUGIN set: only
// then glightning redirects the log package.
func startNode(t *testing.T, p *Plugin) *node {
	t.Helper()
	t.Setenv("LIGHTNINGD_PLUGIN", "1")
	in, stdin := pipe(t)
	stdout, out := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	n := &node{t: t, plugin: p, stdin: stdin, stdout: stdout, cancel: cancel, run: make(chan error, 1)}
	n.more = sync.NewCond(&n.mu)
	over := make(chan struct{})
	go func() {
		defer close(over)
		n.run <- p.Run(ctx, in, out)
		out.Close()
	}()
	go n.read()
	t.Cleanup(func() {
		cancel()
		stdin.Close()
		stdout.Close()
		<-over // the log package is the next test's only then
	})
	return n
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func (n *node) read() {
	d := json.NewDecoder(n.stdout)
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		n.mu.Lock()
		if err != nil {
			n.closed = true
			if err != io.EOF && !errors.Is(err, os.ErrClosed) {
				n.t.Errorf("stdout: %v", err)
			}
		} else {
			w := wire{text: string(raw)}
			if err := json.Unmarshal(raw, &w); err != nil {
				n.t.Errorf("message %.200s: %v", raw, err)
			}
			n.seen = append(n.seen, w)
		}
		n.more.Broadcast()
		n.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (n *node) send(text string) {
	n.t.Helper()
	if _, err := io.WriteString(n.stdin, text+"\n\n"); err != nil {
		n.t.Fatal(err)
	}
}

// wait returns the first message that match accepts.
func (n *node) wait(what string, match func(wire) bool) wire {
	n.t.Helper()
	timeout := time.AfterFunc(patience, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.closed = true
		n.more.Broadcast()
	})
	defer timeout.Stop()
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := 0; ; i++ {
		for i == len(n.seen) && !n.closed {
			n.more.Wait()
		}
		if i == len(n.seen) {
			n.t.Fatalf("no %s came; seen: %.2000s", what, n.texts())
		}
		if match(n.seen[i]) {
			return n.seen[i]
		}
	}
}

func (n *node) texts() string { // n.mu is held
	var all string
	for _, w := range n.seen {
		all += fmt.Sprintf("%.300s\n", w.text)
	}
	return all
}

// receive waits for a value from c.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

// answer waits for the answer to the request with that id, as JSON text.
func (n *node) answer(id string) wire {
	n.t.Helper()
	return n.wait("answer to "+id, func(w wire) bool { return w.Method == "" && string(w.ID) == id })
}

// logged waits for a log line.
func (n *node) logged(level, message string) {
	n.t.Helper()
	n.wait("log line "+message, func(w wire) bool {
		return w.Method == "log" && w.Params.Level == level && w.Params.Message == message
	})
}

// call sends a request with id and params as JSON text and waits for its answer.
func (n *node) call(id, method, params string) wire {
	n.t.Helper()
	n.send(request(id, method, params))
	return n.answer(id)
}

func request(id, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, params)
}

const initParams = `{"options":{},"configuration":{"lightning-dir":"/ln/regtest","rpc-file":"lightning-rpc",` +
	`"startup":true,"network":"regtest","feature_set":{"init":"08"}}}`

// initialised runs p up to the answer to init.
func initialised(t *testing.T, p *Plugin) *node {
	t.Helper()
	n := startNode(t, p)
	if a := n.call(`"cln:init#1"`, "init", initParams); string(a.Result) != "{}" {
		t.Fatalf("init: %s", a.text)
	}
	return n
}

// end waits for Run's return and counts the answers to each id.
func (n *node) end() (answers map[string]int, err error) {
	n.t.Helper()
	select {
	case err = <-n.run:
	case <-time.After(patience):
		n.t.Fatal("Run does not return")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.closed {
		n.more.Wait()
	}
	answers = map[string]int{}
	for _, w := range n.seen {
		if w.Method == "" {
			answers[string(w.ID)]++
		}
	}
	return answers, err
}

// echo answers with the parameters it got, exactly.
func echo(name string) Method {
	return Method{Name: name, Usage: "[a] [b]", Description: "Echo.",
		Handle: func(_ context.Context, p json.RawMessage) (any, error) {
			return map[string]string{"got": string(p)}, nil
		}}
}

// echoed is the result of echo for params.
func echoed(t *testing.T, params string) string {
	t.Helper()
	text, err := marshal(map[string]string{"got": params})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wantError(t *testing.T, a wire, code int, message string) {
	t.Helper()
	want, err := marshal(&Error{Code: code, Message: message})
	if err != nil {
		t.Fatal(err)
	}
	if string(a.Error) != string(want) || a.Result != nil {
		t.Errorf("answer\n got %s\nwant error %s", a.text, want)
	}
}
