package hostile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vigil/tests/harness"
)

// killedAfter is how long lightningd gives a plugin to end.
const killedAfter = 30 * time.Second

// driver has a plugin's pipes in its hand, in the directory of a stand-in that
// answers on lightning-rpc.
type driver struct {
	t       *testing.T
	standIn *harness.StandIn
	options map[string]any
	dir     string
	cmd     *exec.Cmd
	stdin   *os.File
	stdout  *os.File
	ended   chan struct{}

	asked   atomic.Int64
	mu      sync.Mutex
	answers map[string][]string // by the text of their id
	logged  int
	bad     []string
	paused  sync.Mutex // held while nobody is to read stdout
	read    chan struct{}
}

// newDriver starts the plugin, and says nothing to it.
func newDriver(t *testing.T, standIn *harness.StandIn) *driver {
	t.Helper()
	d := &driver{t: t, standIn: standIn, dir: standIn.PluginDir(), ended: make(chan struct{}),
		options: map[string]any{"vigil-api-bind": harness.FreeAddress(t)},
		answers: map[string][]string{}, read: make(chan struct{})}
	stdin, toPlugin := pipe(t)
	fromPlugin, stdout := pipe(t)
	d.stdin, d.stdout = toPlugin, fromPlugin
	d.cmd = exec.Command(harness.Vigil(t))
	d.cmd.Dir = d.dir
	d.cmd.Env = append(os.Environ(), "LIGHTNINGD_PLUGIN=1", "LIGHTNINGD_VERSION="+harness.LightningdVersion)
	d.cmd.Stdin, d.cmd.Stdout = stdin, stdout
	var stderr strings.Builder
	d.cmd.Stderr = &stderr
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("start the plugin: %v", err)
	}
	stdin.Close()
	stdout.Close()
	go func() { defer close(d.ended); _ = d.cmd.Wait() }()
	go d.readAll()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.ended
		toPlugin.Close()
		fromPlugin.Close()
		if strings.Contains(stderr.String(), "panic") || strings.Contains(stderr.String(), "DATA RACE") {
			t.Errorf("standard error: %s", stderr.String())
		}
	})
	return d
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// readAll notes every message of the plugin. What is none would end it in
// lightningd.
func (d *driver) readAll() {
	defer close(d.read)
	decoder := json.NewDecoder(unlessPaused{d})
	for {
		var m struct {
			ID     json.RawMessage
			Method string
		}
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if err == nil {
			err = json.Unmarshal(raw, &m)
		}
		d.mu.Lock()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed):
		case err != nil:
			d.bad = append(d.bad, err.Error())
		case m.Method == "":
			d.answers[string(m.ID)] = append(d.answers[string(m.ID)], string(raw))
		case m.Method == "log":
			d.logged++
		}
		d.mu.Unlock()
		if err != nil {
			return
		}
	}
}

type unlessPaused struct{ d *driver }

func (r unlessPaused) Read(b []byte) (int, error) {
	r.d.paused.Lock()   // no longer: a Read that is under way takes one more piece
	r.d.paused.Unlock() //nolint:staticcheck // it is a gate
	return r.d.stdout.Read(b[:min(len(b), 4096)])
}

// send writes what is not even JSON, maybe. It fails where the plugin does not
// read for too long.
func (d *driver) send(text string) {
	d.t.Helper()
	if err := d.try(text, harness.Patience); err != nil {
		d.t.Fatalf("the plugin does not read: %v", err)
	}
}

func (d *driver) try(text string, patience time.Duration) error {
	if err := d.stdin.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := io.WriteString(d.stdin, text)
	return err
}

func request(id, method string, params any) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`+"\n\n", id, method, mustJSON(params))
}

// of returns the answers to an id so far.
func (d *driver) of(id string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.answers[id]...)
}

// count is how many answers came.
func (d *driver) count() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, list := range d.answers {
		n += len(list)
	}
	return n
}

// call demands an answer, and just one.
func (d *driver) call(id, method string, params any) string {
	d.t.Helper()
	d.send(request(id, method, params))
	harness.Until(d.t, "an answer to "+method, func() bool { return len(d.of(id)) > 0 })
	return d.of(id)[0]
}

// init goes through the introduction that lightningd makes.
func (d *driver) init(id string) string {
	d.t.Helper()
	return d.call(id, "init", map[string]any{"options": d.options, "configuration": map[string]any{
		"lightning-dir": d.dir, "rpc-file": "lightning-rpc", "startup": true, "network": "regtest"}})
}

// serve starts the tower and waits until it is ready.
func (d *driver) serve() {
	d.t.Helper()
	d.call(`"manifest"`, "getmanifest", map[string]any{})
	if a := d.init(`"init"`); !strings.HasSuffix(a, `"result":{}}`) {
		d.t.Fatalf("init: %s", a)
	}
	harness.Until(d.t, "the tower to answer a ping", func() bool { return d.http().Ping(d.t.Context()) })
}

func (d *driver) http() harness.HTTPDoor {
	return harness.HTTPDoor("http://" + d.options["vigil-api-bind"].(string))
}

// alive demands that the plugin still answers.
func (d *driver) alive(id string) {
	d.t.Helper()
	if a := d.call(id, "vigil-info", map[string]any{}); !strings.Contains(a, `"tower_id"`) {
		d.t.Fatalf("vigil-info: %s", a)
	}
}

// gone demands that the process ends before lightningd would kill it, in good
// order, and that nothing of it is left.
func (d *driver) gone() {
	d.t.Helper()
	d.goneAnyhow()
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		d.t.Errorf("it ended with status %d", code)
	}
	<-d.read
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.bad) != 0 {
		d.t.Errorf("on standard output: %q", d.bad)
	}
}

// goneAnyhow does not ask for the status: a broken pipe is an error.
func (d *driver) goneAnyhow() {
	d.t.Helper()
	start := time.Now()
	select {
	case <-d.ended:
	case <-time.After(killedAfter):
		d.t.Fatal("lightningd would have killed the plugin")
	}
	d.t.Logf("it ended after %v", time.Since(start).Round(time.Millisecond))
	if left := processes(d.t, d.dir, harness.Vigil(d.t)); len(left) != 0 {
		d.t.Errorf("processes %v are left", left)
	}
	d.unlocked()
}

// unlocked demands that nobody holds the lock on the data.
func (d *driver) unlocked() {
	d.t.Helper()
	f, err := os.OpenFile(filepath.Join(d.dir, "vigil", "lock"), os.O_RDWR, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		d.t.Errorf("the data is still locked: %v", err)
	}
}

// again starts the plugin once more in the stand-in: it serves at once.
func (d *driver) again() {
	d.t.Helper()
	d.standIn.StartPlugin()
	harness.Until(d.t, "the tower to serve again", func() bool {
		_, err := harness.TowerInfo(d.t.Context(), d.standIn)
		return err == nil
	})
}

// newStandIn is a stand-in whose own plugin has stopped.
func newStandIn(t *testing.T) (*harness.Node, *harness.StandIn) {
	t.Helper()
	node := harness.StartNode(t, inStandIn.Backend)
	node.MineTo(firstHeight)
	standIn, _ := harness.AsStandIn(harness.StartTower(t, inStandIn, node, nil))
	standIn.StopPlugin()
	return node, standIn
}

// Ask calls one of the tower's methods, as an RPC door.
func (d *driver) Ask(ctx context.Context, method string, body any) (harness.Answer, error) {
	id := fmt.Sprintf(`"ask#%d"`, d.asked.Add(1))
	if err := d.try(request(id, method, body), harness.Patience); err != nil {
		return harness.Answer{}, err
	}
	over := func() bool {
		select {
		case <-d.read:
			return true
		default:
			return len(d.of(id)) > 0
		}
	}
	if !harness.Eventually(ctx, harness.Patience, over) || len(d.of(id)) == 0 {
		return harness.Answer{}, errNoAnswer
	}
	var a struct{ Result, Error json.RawMessage }
	err := json.Unmarshal([]byte(d.of(id)[0]), &a)
	if a.Error != nil {
		return harness.Answer{}, fmt.Errorf("%s: %s", method, a.Error)
	}
	return harness.Answer{Status: 200, Body: a.Result}, err
}

var errNoAnswer = errors.New("no answer")
