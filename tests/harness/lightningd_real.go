package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// ErrNoLightningd says that this machine has no lightningd.
var ErrNoLightningd = errors.New("no lightningd on PATH, and VIGIL_LIGHTNINGD is not set")

// lightningdProgram finds lightningd, by VIGIL_LIGHTNINGD or on PATH.
func lightningdProgram() (string, error) {
	if path := os.Getenv("VIGIL_LIGHTNINGD"); path != "" {
		return path, nil
	}
	path, err := exec.LookPath("lightningd")
	if err != nil {
		return "", ErrNoLightningd
	}
	return path, nil
}

// HasLightningd says why there is no lightningd to run here; nil when there is.
func HasLightningd() error {
	_, err := lightningdProgram()
	return err
}

// realNode is a lightningd process that polls its backend every second.
type realNode struct {
	t       T
	binary  string // of the plugin
	options map[string]any
	dir     string // lightning-dir
	proc    *process
}

// StartRealLightningd starts lightningd over a bitcoind, with the plugin.
func StartRealLightningd(t T, node *Node, binary string, options map[string]any) Lightningd {
	t.Helper()
	program, err := lightningdProgram()
	if err != nil {
		t.Fatalf("%v", err)
	}
	r := &realNode{t: t, binary: binary, options: options, dir: Dir(t)}
	args := []string{"--lightning-dir=" + r.dir, "--network=regtest", "--developer", "--dev-bitcoind-poll=1",
		"--autolisten=false", "--log-level=debug", "--log-file=" + r.logPath(),
		"--bitcoin-datadir=" + node.dir, "--bitcoin-rpcconnect=127.0.0.1",
		"--bitcoin-rpcport=" + port(node.rpc.address), "--bitcoin-cli=" + bitcoinCLI(), "--plugin=" + binary}
	for name, value := range options {
		args = append(args, fmt.Sprintf("--%s=%v", name, value))
	}
	showOnFailure(t, "lightningd", r.logPath())
	wantNoDefect(t, "the plugin's standard error", r.outputPath())
	t.Cleanup(r.end)
	if r.proc, err = startProcess(exec.Command(program, args...), r.outputPath()); err != nil {
		t.Fatalf("start lightningd: %v", err)
	}
	Until(t, "lightningd to start", func() bool {
		if !r.proc.running() {
			t.Fatalf("lightningd ended: %s", tail(r.outputPath()))
		}
		return strings.Contains(r.readLog(), "Server started")
	})
	return r
}

// bitcoinCLI is the one beside bitcoind, or else the one on PATH.
func bitcoinCLI() string {
	beside := filepath.Join(filepath.Dir(os.Getenv("VIGIL_BITCOIND")), "bitcoin-cli")
	if _, err := os.Stat(beside); err == nil {
		return beside
	}
	return "bitcoin-cli"
}

func (r *realNode) logPath() string    { return filepath.Join(r.dir, "lightningd.log") }
func (r *realNode) outputPath() string { return filepath.Join(r.dir, "output.log") }
func (r *realNode) PluginDir() string  { return filepath.Join(r.dir, "regtest") }

func (r *realNode) readLog() string {
	b, _ := os.ReadFile(r.logPath()) // there is none before the start
	return string(b)
}

// Call calls lightning-rpc over a connection of its own.
func (r *realNode) Call(ctx context.Context, method string, params, result any) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var dialer net.Dialer
	// A path from / may be longer than a socket's may be; Dir's is short.
	conn, err := dialer.DialContext(ctx, "unix", filepath.Join(r.PluginDir(), "lightning-rpc"))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if params == nil {
		params = map[string]any{}
	}
	request, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "harness", "method": method, "params": params})
	if err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	var m message
	if err := json.NewDecoder(conn).Decode(&m); err != nil {
		return fmt.Errorf("lightning-rpc: %w", err)
	}
	return m.outcome(result)
}

func (r *realNode) plugin(subcommand string, more map[string]any) {
	r.t.Helper()
	params := map[string]any{"subcommand": subcommand, "plugin": r.binary}
	for name, value := range more {
		params[name] = value
	}
	if err := r.Call(r.t.Context(), "plugin", params, nil); err != nil {
		r.t.Fatalf("plugin %s: %v", subcommand, err)
	}
}

// StopPlugin is `plugin stop`, which answers when the plugin has ended.
func (r *realNode) StopPlugin() time.Duration {
	r.t.Helper()
	start := time.Now()
	r.plugin("stop", nil)
	return time.Since(start)
}

// StartPlugin is `plugin start` with the options of the first start.
func (r *realNode) StartPlugin() {
	r.t.Helper()
	r.plugin("start", r.options)
}

// KillPlugin finds lightningd's child that runs the plugin's binary.
func (r *realNode) KillPlugin() {
	r.t.Helper()
	pid := r.pluginPID()
	if pid == 0 {
		r.t.Fatalf("no plugin process")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		r.t.Fatalf("kill the plugin: %v", err)
	}
	Until(r.t, "lightningd to notice the plugin's end", func() bool {
		var list struct{ Plugins []struct{ Name string } }
		if err := r.Call(r.t.Context(), "plugin", map[string]any{"subcommand": "list"}, &list); err != nil {
			r.t.Fatalf("plugin list: %v", err)
		}
		for _, plugin := range list.Plugins {
			if plugin.Name == r.binary {
				return false
			}
		}
		return true
	})
}

func (r *realNode) pluginPID() (pid int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		exe, _ := os.Readlink(filepath.Join(filepath.Dir(stat), "exe"))
		if strings.TrimSuffix(exe, " (deleted)") != r.binary {
			continue
		}
		b, _ := os.ReadFile(stat)
		_, rest, _ := bytes.Cut(b, []byte(") ")) // pid (name) state ppid
		var state string
		var parent int
		if _, err := fmt.Sscan(string(rest), &state, &parent); err == nil && parent == r.proc.cmd.Process.Pid {
			_, _ = fmt.Sscan(filepath.Base(filepath.Dir(stat)), &pid)
		}
	}
	return pid
}

// Log reads what lightningd wrote down of the plugin.
func (r *realNode) Log() (lines []LogLine) {
	name := regexp.QuoteMeta(filepath.Base(r.binary))
	line := regexp.MustCompile(`(?m)^\S+ (\w+)\s+plugin-` + name + `: (.*)$`)
	for _, found := range line.FindAllStringSubmatch(r.readLog(), -1) {
		lines = append(lines, LogLine{Level: strings.ToLower(found[1]), Message: found[2]})
	}
	return lines
}

// end stops lightningd as its operator would.
func (r *realNode) end() {
	if r.proc == nil || !r.proc.running() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := r.Call(ctx, "stop", nil, nil); err != nil {
		r.t.Errorf("stop lightningd: %v", err)
	}
	if err := r.proc.wait(Patience); err != nil {
		r.t.Errorf("%v", err)
		_ = r.proc.kill()
	}
	if strings.Contains(r.readLog(), "BROKEN") {
		r.t.Errorf("lightningd's log has BROKEN lines")
	}
}
