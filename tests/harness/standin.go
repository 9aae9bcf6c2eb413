package harness

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// LightningdVersion is the release whose behaviour the stand-in follows.
const LightningdVersion = "v26.06"

const (
	initTimeout     = 120 * time.Second // lightningd kills a plugin that is slower
	shutdownTimeout = 30 * time.Second  // likewise after `plugin stop`
)

// StandIn speaks lightningd's side of the plugin protocol to a plugin, over a
// node of the harness. It is stricter than lightningd: whatever a plugin may
// not write on its standard output fails the test.
type StandIn struct {
	// Seed is what makesecret derives secrets from, as hsm_secret is.
	Seed [32]byte

	t       T
	node    *Node
	binary  string
	options map[string]any
	dir     string // lightning-dir/regtest
	rpc     net.Listener
	serving sync.WaitGroup
	stopAll context.CancelFunc

	bcli sync.Mutex // bcli serves one call at a time

	mu       sync.Mutex
	plugin   *pluginConn // nil while none is loaded
	conns    map[net.Conn]struct{}
	log      []LogLine
	notified map[string][]json.RawMessage
	blocks   announcer
}

// StartLightningd loads a plugin into a stand-in over a node. Options are the
// plugin's, by name: strings, numbers or booleans.
func StartLightningd(t T, node *Node, binary string, options map[string]any) *StandIn {
	t.Helper()
	s := &StandIn{t: t, node: node, binary: binary, options: options,
		dir: filepath.Join(Dir(t), "regtest"), conns: map[net.Conn]struct{}{},
		notified: map[string][]json.RawMessage{}}
	_, _ = rand.Read(s.Seed[:]) // never fails
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatalf("make lightningd's directory: %v", err)
	}
	wantNoDefect(t, "the plugin's standard error", s.logPath())
	t.Cleanup(s.showLog)
	t.Cleanup(s.end)
	var ctx context.Context
	ctx, s.stopAll = context.WithCancel(context.Background())
	s.listen(ctx)
	s.serving.Go(func() { s.announceBlocks(ctx) })
	s.StartPlugin()
	return s
}

func (s *StandIn) logPath() string { return filepath.Join(s.dir, "stderr.log") }

// PluginDir is lightning-dir/regtest.
func (s *StandIn) PluginDir() string { return s.dir }

// StartPlugin starts the plugin and goes through getmanifest and init.
func (s *StandIn) StartPlugin() {
	s.t.Helper()
	if reason := s.TryPlugin(s.options); reason != "" {
		s.t.Fatalf("the plugin disabled itself: %s", reason)
	}
}

// TryPlugin starts the plugin with other options and returns why it disabled
// itself, which is empty when it is loaded.
func (s *StandIn) TryPlugin(options map[string]any) (disabled string) {
	s.t.Helper()
	cmd := exec.Command(s.binary)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LIGHTNINGD_PLUGIN=1", "LIGHTNINGD_VERSION="+LightningdVersion)
	plugin, err := startPlugin(s, cmd)
	if err != nil {
		s.t.Fatalf("start the plugin: %v", err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), initTimeout)
	defer cancel()
	disabled, err = plugin.introduce(ctx, options)
	if err != nil || disabled != "" {
		plugin.kill()
	}
	if err != nil {
		s.t.Fatalf("load the plugin: %v", err)
	}
	if disabled != "" {
		return disabled
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plugin = plugin
	s.blocks.rewind()
	return ""
}

// loaded is the plugin; nil where there is none.
func (s *StandIn) loaded() *pluginConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plugin
}

// unload takes the plugin away, as one whose end is expected.
func (s *StandIn) unload() *pluginConn {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	plugin := s.plugin
	if plugin == nil {
		s.t.Fatalf("no plugin is loaded")
	}
	s.plugin = nil
	plugin.ending.Store(true)
	return plugin
}

// StopPlugin sends the shutdown notification and waits for the plugin's end,
// for as long as lightningd would. A plugin that did not ask for that
// notification is killed at once.
func (s *StandIn) StopPlugin() time.Duration {
	s.t.Helper()
	plugin := s.unload()
	start := time.Now()
	if !plugin.subscribed("shutdown") {
		plugin.kill()
		return time.Since(start)
	}
	if err := plugin.notify("shutdown", map[string]any{"shutdown": struct{}{}}); err != nil {
		s.t.Errorf("send shutdown: %v", err)
	}
	return s.ended(plugin, start)
}

// CloseStdin ends the plugin as the death of lightningd does.
func (s *StandIn) CloseStdin() time.Duration {
	s.t.Helper()
	plugin := s.unload()
	start := time.Now()
	plugin.closeStdin()
	return s.ended(plugin, start)
}

func (s *StandIn) ended(plugin *pluginConn, start time.Time) time.Duration {
	s.t.Helper()
	if err := plugin.proc.wait(shutdownTimeout); err != nil {
		s.t.Errorf("%v: lightningd would kill it", err)
	}
	took := time.Since(start)
	plugin.close()
	if code := plugin.proc.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("the plugin ended with status %d", code)
	}
	return took
}

// KillPlugin sends SIGKILL to the plugin.
func (s *StandIn) KillPlugin() {
	s.t.Helper()
	s.unload().kill()
}

// SignalPlugin sends any other signal that ends the plugin.
func (s *StandIn) SignalPlugin(sig syscall.Signal) time.Duration {
	s.t.Helper()
	plugin := s.unload()
	start := time.Now()
	if err := plugin.proc.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signal the plugin: %v", err)
	}
	return s.ended(plugin, start)
}

// Call routes a call to the plugin, where it has such a method.
func (s *StandIn) Call(ctx context.Context, method string, params, result any) error {
	plugin := s.loaded()
	if plugin == nil || !plugin.methods[method] {
		return &RPCError{Code: methodNotFound, Message: "Unknown command '" + method + "'"}
	}
	return plugin.call(ctx, method, params, result)
}

// Manifest is what the loaded plugin answered to getmanifest.
func (s *StandIn) Manifest() json.RawMessage { return s.loaded().manifest }

// Log is what the plugin has logged so far, over all its starts.
func (s *StandIn) Log() []LogLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]LogLine(nil), s.log...)
}

// Notified are the parameters of the plugin's own notifications on a topic.
func (s *StandIn) Notified(topic string) []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]json.RawMessage(nil), s.notified[topic]...)
}

func (s *StandIn) showLog() {
	if !s.t.Failed() {
		return
	}
	s.t.Logf("---- what the plugin logged:")
	for _, line := range s.Log() {
		s.t.Logf("%-7s %s", line.Level, line.Message)
	}
}

// end stops everything; a plugin that is still loaded must end with its stdin.
func (s *StandIn) end() {
	if s.loaded() != nil {
		s.CloseStdin()
	}
	s.stopAll()
	_ = s.rpc.Close()
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
}
