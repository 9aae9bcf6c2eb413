package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Variant is one way to run a tower.
type Variant struct {
	// Name is "plugin", "lightningd" or "standalone", a slash, and the
	// backend's name.
	Name    string
	Backend Backend
	// Missing says why this machine can't run it; nil where it can.
	Missing error
	start   func(t T, node *Node, address string, options Options) Tower
}

// Spare tells whether the short set leaves a variant out: where bitcoind is there,
// each carrier and each kind of node play once. VIGIL_MATRIX=full has them all.
func (v Variant) Spare() bool {
	_, noBitcoind := Bitcoind()
	return noBitcoind == nil && os.Getenv("VIGIL_MATRIX") != "full" &&
		(v.Name == "standalone/btcd" || v.Name == "plugin/bitcoind")
}

// Options are the tower's, by name without the prefix "vigil-".
type Options map[string]any

// anyAdmin lets towers that run at the same time not dispute the default address
// of the status page: each takes a free one, and vigil-info tells which.
const anyAdmin = "127.0.0.1:0"

// with are the options with what each tower of the harness has.
func (o Options) with() Options {
	all := Options{"admin-bind": anyAdmin}
	maps.Copy(all, o)
	return all
}

// Tower is a running tower, whatever carries it.
type Tower interface {
	HTTP() HTTPDoor
	// RPC is the other door; nil where no Lightning node carries the tower.
	RPC() Lightningd
	// Info is vigil-info, by RPC method or from the command line.
	Info(ctx context.Context) (Info, error)
	// Breaches is vigil-breaches, by either way, too; state may be "".
	Breaches(ctx context.Context, state string) ([]Breach, error)
	// Ask asks the operator's method NAME, as vigil-NAME or `vigil NAME`.
	Ask(ctx context.Context, method string, params map[string]any, answer any) error
	// Stop ends the tower in good order and tells how long that took.
	Stop() time.Duration
	Kill()
	// Start starts it again and waits until it is ready.
	Start()
}

// Variants are all ways to run a tower, those that this machine lacks too.
func Variants() []Variant {
	bitcoind, noBitcoind := Bitcoind()
	noLightningd := HasLightningd()
	if noLightningd == nil {
		noLightningd = noBitcoind // its bitcoin-cli needs one
	}
	return []Variant{
		{"plugin/btcd", Btcd(), nil, startInStandIn},
		{"standalone/btcd", Btcd(), nil, startStandalone},
		{"plugin/bitcoind", bitcoind, noBitcoind, startInStandIn},
		{"standalone/bitcoind", bitcoind, noBitcoind, startStandalone},
		{"lightningd/bitcoind", bitcoind, noLightningd, startInLightningd},
	}
}

// StartTower starts a tower over a node, on a port of its own, and waits
// until it is ready.
func StartTower(t T, v Variant, node *Node, options Options) Tower {
	t.Helper()
	tower := v.start(t, node, FreeAddress(t), options)
	waitReady(t, tower)
	return tower
}

func waitReady(t T, tower Tower) {
	t.Helper()
	Until(t, "the tower to answer a ping", func() bool { return tower.HTTP().Ping(t.Context()) })
}

// pluginOptions are the options with the prefix that they have in lightningd.
func pluginOptions(address string, options Options) map[string]any {
	prefixed := map[string]any{"vigil-api-bind": address}
	for name, value := range options.with() {
		prefixed["vigil-"+name] = value
	}
	return prefixed
}

// loaded is a tower inside a Lightning node, real or not.
type loaded struct {
	t T
	Lightningd
	address string
}

func startInStandIn(t T, node *Node, address string, options Options) Tower {
	t.Helper()
	return &loaded{t, StartLightningd(t, node, Vigil(t), pluginOptions(address, options)), address}
}

func startInLightningd(t T, node *Node, address string, options Options) Tower {
	t.Helper()
	return &loaded{t, StartRealLightningd(t, node, Vigil(t), pluginOptions(address, options)), address}
}

func (l *loaded) HTTP() HTTPDoor  { return HTTPDoor("http://" + l.address) }
func (l *loaded) RPC() Lightningd { return l.Lightningd }

func (l *loaded) Info(ctx context.Context) (Info, error) { return TowerInfo(ctx, l) }

func (l *loaded) Breaches(ctx context.Context, state string) ([]Breach, error) {
	return allBreaches(func(before int64) (page breachPage, err error) {
		params := map[string]any{"state": state, "limit": 1000}
		if before != 0 {
			params["before"] = before
		}
		return page, l.Call(ctx, "vigil-breaches", params, &page)
	})
}

func (l *loaded) Ask(ctx context.Context, method string, params map[string]any, answer any) error {
	return l.Call(ctx, "vigil-"+method, params, answer)
}

func (l *loaded) Stop() time.Duration { l.t.Helper(); return l.StopPlugin() }
func (l *loaded) Kill()               { l.t.Helper(); l.KillPlugin() }

func (l *loaded) Start() {
	l.t.Helper()
	l.StartPlugin()
	waitReady(l.t, l)
}

// standalone is `vigil tower`.
type standalone struct {
	t       T
	program string
	args    []string
	dir     string
	address string
	proc    *process
}

func startStandalone(t T, node *Node, address string, options Options) Tower {
	t.Helper()
	dir := Dir(t)
	s := &standalone{t: t, program: Vigil(t), dir: filepath.Join(dir, "data"), address: address}
	s.args = []string{"tower", "--network", "regtest", "--data-dir", s.dir,
		"--api-bind", address, "--bitcoind", node.URL()}
	if node.Cookie() != "" {
		s.args = append(s.args, "--bitcoind-cookie", node.Cookie())
	}
	if node.ZMQ() != "" {
		s.args = append(s.args, "--bitcoind-zmq", node.ZMQ())
	}
	for name, value := range options.with() {
		s.args = append(s.args, "--"+name, fmt.Sprint(value))
	}
	wantNoDefect(t, "the tower", s.logPath())
	t.Cleanup(s.end)
	s.Start()
	return s
}

func (s *standalone) logPath() string { return filepath.Join(filepath.Dir(s.dir), "tower.log") }

func (s *standalone) HTTP() HTTPDoor  { return HTTPDoor("http://" + s.address) }
func (s *standalone) RPC() Lightningd { return nil }

func (s *standalone) Info(ctx context.Context) (info Info, err error) {
	return info, s.command(ctx, &info, "info")
}

func (s *standalone) Breaches(ctx context.Context, state string) ([]Breach, error) {
	return allBreaches(func(before int64) (page breachPage, err error) {
		args := []string{"breaches", "--state", state, "--limit", "1000"}
		if before != 0 {
			args = append(args, "--before", strconv.FormatInt(before, 10))
		}
		return page, s.command(ctx, &page, args...)
	})
}

func (s *standalone) Ask(ctx context.Context, method string, params map[string]any, answer any) error {
	args := []string{method}
	for name, value := range params {
		args = append(args, "--"+name, fmt.Sprint(value))
	}
	return s.command(ctx, answer, args...)
}

// command runs a command of the shell and reads what it prints.
func (s *standalone) command(ctx context.Context, result any, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program, append(args, "--json", "--data-dir", s.dir)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return json.Unmarshal(out, result)
}

func (s *standalone) Start() {
	s.t.Helper()
	var err error
	if s.proc, err = startProcess(exec.Command(s.program, s.args...), s.logPath()); err != nil {
		s.t.Fatalf("start the tower: %v", err)
	}
	ready := Eventually(s.t.Context(), Patience, func() bool {
		return s.HTTP().Ping(s.t.Context()) || !s.proc.running()
	})
	if !ready || !s.proc.running() {
		s.t.Fatalf("the tower is not ready (running: %v)", s.proc.running())
	}
}

func (s *standalone) Stop() time.Duration {
	s.t.Helper()
	start := time.Now()
	if !s.proc.running() {
		s.t.Fatalf("the tower ended by itself")
	}
	if err := s.proc.signal(syscall.SIGTERM, shutdownTimeout); err != nil {
		s.t.Fatalf("stop the tower: %v", err)
	}
	if code := s.proc.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("the tower ended with status %d", code)
	}
	return time.Since(start)
}

func (s *standalone) Kill() {
	s.t.Helper()
	if err := s.proc.kill(); err != nil {
		s.t.Fatalf("kill the tower: %v", err)
	}
}

// end stops a tower that still runs, and wants it to end well.
func (s *standalone) end() {
	if s.proc == nil || !s.proc.running() {
		return
	}
	s.Stop()
}

// AsStandIn returns the stand-in that carries a tower, if one does.
func AsStandIn(tower Tower) (*StandIn, bool) {
	l, ok := tower.(*loaded)
	if !ok {
		return nil, false
	}
	standIn, ok := l.Lightningd.(*StandIn)
	return standIn, ok
}
