package harness

import (
	"context"
	"strings"
	"time"
)

// Lightningd is a Core Lightning node with the plugin loaded: a real one, or
// the stand-in, which speaks its side of the plugin protocol.
type Lightningd interface {
	// Call calls an RPC method with an object (or an array) of parameters.
	// An error answer is an *RPCError.
	Call(ctx context.Context, method string, params, result any) error
	// StopPlugin is `plugin stop`; it tells how long the plugin took to end.
	StopPlugin() time.Duration
	// KillPlugin sends SIGKILL to the plugin and waits for its end.
	KillPlugin()
	// StartPlugin loads it again, with the same options and directory.
	StartPlugin()
	// Log is what the plugin has logged so far.
	Log() []LogLine
	// PluginDir is the plugin's working directory: lightning-dir/regtest.
	PluginDir() string
}

// LogLine is one log notification of the plugin.
type LogLine struct {
	Level   string `json:"level"` // trace, debug, info, unusual, broken
	Message string `json:"message"`
}

// Logged tells whether the plugin has logged a line with this text in it.
func Logged(l Lightningd, text string) bool { return LoggedAfter(l, 0, text) }

// LoggedAfter does not look at so many lines that came earlier.
func LoggedAfter(l Lightningd, earlier int, text string) bool {
	for _, line := range l.Log()[earlier:] {
		if strings.Contains(line.Message, text) {
			return true
		}
	}
	return false
}
