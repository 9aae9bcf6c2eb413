package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// JSON-RPC error codes of lightningd.
const (
	methodNotFound   = -32601
	invalidParams    = -32602
	pluginTerminated = -4
)

// logLevels are the ones that lightningd takes from a plugin.
var logLevels = map[string]bool{"trace": true, "debug": true, "info": true,
	"unusual": true, "warn": true, "broken": true, "error": true}

// pluginConn is one run of the plugin: its process and both its pipes.
type pluginConn struct {
	s        *StandIn
	proc     *process
	manifest json.RawMessage
	methods  map[string]bool
	topics   map[string]bool // of its own notifications
	wants    map[string]bool // its subscriptions
	ending   atomic.Bool     // its end is expected
	read     chan struct{}   // closed when its standard output has ended

	writing sync.Mutex
	stdin   *os.File

	mu       sync.Mutex
	last     int
	waiting  map[string]chan message // by the id as it was written
	answered map[string]bool
}

// message is anything that a plugin may write.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
}

func startPlugin(s *StandIn, cmd *exec.Cmd) (*pluginConn, error) {
	stdin, toPlugin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	fromPlugin, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, toPlugin.Close())
	}
	defer stdout.Close()
	cmd.Stdin, cmd.Stdout = stdin, stdout
	proc, err := startProcess(cmd, s.logPath())
	if err != nil {
		return nil, errors.Join(err, toPlugin.Close(), fromPlugin.Close())
	}
	p := &pluginConn{s: s, proc: proc, stdin: toPlugin, read: make(chan struct{}),
		waiting: map[string]chan message{}, answered: map[string]bool{}}
	go func() {
		defer close(p.read)
		defer fromPlugin.Close()
		p.readAll(fromPlugin)
	}()
	return p, nil
}

// close ends both pipes and waits for the reader.
func (p *pluginConn) close() {
	p.closeStdin()
	<-p.read
}

func (p *pluginConn) closeStdin() {
	p.writing.Lock()
	defer p.writing.Unlock()
	_ = p.stdin.Close() // closed twice is as good
}

// kill ends the plugin at once and waits for its end.
func (p *pluginConn) kill() {
	p.ending.Store(true)
	if err := p.proc.kill(); err != nil {
		p.s.t.Errorf("kill the plugin: %v", err)
	}
	p.close()
}

// readAll judges everything that the plugin writes, until it ends.
func (p *pluginConn) readAll(stdout io.Reader) {
	decoder := json.NewDecoder(stdout)
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if err != nil && !errors.Is(err, io.EOF) {
			near, _ := io.ReadAll(decoder.Buffered())
			p.s.t.Errorf("the plugin wrote what is not JSON on its standard output: %v near %.300q", err, near)
			_, _ = io.Copy(io.Discard, stdout)
		}
		if err != nil {
			break
		}
		if err := p.take(raw); err != nil {
			p.s.t.Errorf("lightningd would kill the plugin: %v in %.300s", err, raw)
		}
	}
	if !p.ending.Load() {
		p.s.t.Errorf("the plugin ended by itself")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, waiting := range p.waiting {
		close(waiting)
		delete(p.waiting, id)
	}
}

func (p *pluginConn) take(raw json.RawMessage) error {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	if m.JSONRPC != "2.0" {
		return errors.New(`"jsonrpc" is not "2.0"`)
	}
	if m.ID == nil {
		return p.takeNotification(m)
	}
	return p.takeAnswer(m)
}

func (p *pluginConn) takeAnswer(m message) error {
	if (m.Result == nil) == (m.Error == nil) {
		return errors.New("an answer needs either result or error")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := string(m.ID)
	waiting, ok := p.waiting[id]
	switch {
	case ok:
		delete(p.waiting, id)
		p.answered[id] = true
		waiting <- m
		return nil
	case p.answered[id]:
		return errors.New("a second answer to one call")
	default:
		return errors.New("an answer to no call")
	}
}

func (p *pluginConn) takeNotification(m message) error {
	switch {
	case m.Method == "" || m.Params == nil:
		return errors.New("a notification needs method and params")
	case m.Method == "log":
		return p.takeLog(m.Params)
	case m.Method == "message" || m.Method == "progress":
		return p.takeProgress(m.Params)
	case !p.declared(m.Method):
		return fmt.Errorf("notification %q is not in the manifest", m.Method)
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.notified[m.Method] = append(p.s.notified[m.Method], m.Params)
	return nil
}

func (p *pluginConn) declared(topic string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.topics[topic]
}

func (p *pluginConn) subscribed(topic string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wants[topic] || p.wants["*"]
}

func (p *pluginConn) takeLog(params json.RawMessage) error {
	line := LogLine{Level: "info"}
	if err := json.Unmarshal(params, &line); err != nil {
		return err
	}
	if !logLevels[strings.ToLower(line.Level)] {
		return fmt.Errorf("unknown log level %q", line.Level)
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.log = append(p.s.log, line)
	return nil
}

func (p *pluginConn) takeProgress(params json.RawMessage) error {
	var about struct{ ID json.RawMessage }
	if err := json.Unmarshal(params, &about); err != nil || about.ID == nil {
		return errors.New("a message about a call needs its id")
	}
	return nil
}

// call sends a request and waits for its answer.
func (p *pluginConn) call(ctx context.Context, method string, params, result any) error {
	id, waiting := p.newCall(method)
	if err := p.write(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	select {
	case m, ok := <-waiting:
		if !ok {
			return &RPCError{Code: pluginTerminated, Message: "Plugin terminated before replying to RPC call."}
		}
		return m.outcome(result)
	case <-ctx.Done():
		return fmt.Errorf("no answer to %s: %w", method, ctx.Err())
	}
}

func (p *pluginConn) newCall(method string) (json.RawMessage, chan message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	id := json.RawMessage(fmt.Sprintf(`"cln:%s#%d"`, method, p.last))
	waiting := make(chan message, 1)
	select {
	case <-p.read:
		close(waiting)
	default:
		p.waiting[string(id)] = waiting
	}
	return id, waiting
}

func (m message) outcome(result any) error {
	if m.Error != nil {
		refused := new(RPCError)
		if err := json.Unmarshal(m.Error, refused); err != nil {
			return fmt.Errorf("the plugin's error is none of JSON-RPC: %w", err)
		}
		return refused
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(m.Result, result)
}

// notify sends a notification to a plugin that has subscribed to the topic.
func (p *pluginConn) notify(topic string, params any) error {
	if !p.subscribed(topic) {
		return nil
	}
	return p.write(map[string]any{"jsonrpc": "2.0", "method": topic, "params": params})
}

func (p *pluginConn) write(message any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return err
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.stdin.SetWriteDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	_, err = p.stdin.Write(append(b, "\n\n"...))
	return err
}
