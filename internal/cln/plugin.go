package cln

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Method is one RPC method offered to lightning-cli.
//
// Params are the exact JSON text that lightningd sent, numbers untouched: an
// array (positional) or an object (named) without repeated keys. An error that
// is or wraps *Error leaves as it is; any other is logged and leaves as
// CodeInternal. Both functions are called concurrently; a panic in them is
// caught.
type Method struct {
	Name string
	// Usage lists the parameters, optional ones in brackets: "user [slots]".
	Usage       string
	Description string
	// Check validates the parameters and changes nothing; `lightning-cli
	// check` calls it. Nil accepts all.
	Check func(params json.RawMessage) error
	// Handle serves a call. ctx ends after 30 s and when the plugin stops;
	// a nil result is answered as {}.
	Handle func(ctx context.Context, params json.RawMessage) (any, error)
}

// Option is one option of lightningd's command line and configuration file.
type Option struct {
	Name string
	// Type is string, string-conceal, int, bool or flag.
	Type string
	// Default is a value of that type, or nil. A flag has none.
	Default     any
	Description string
	// Multi lets a string or an int be given several times; Config.Options
	// then holds an array.
	Multi bool
}

// Config is what lightningd says at init.
type Config struct {
	// LightningDir is the network's directory, the plugin's working
	// directory too.
	LightningDir string
	// RPCFile is the absolute path of lightningd's RPC socket.
	RPCFile string
	// Network is lightningd's name: bitcoin, testnet, testnet4, signet, regtest.
	Network string
	// Startup says that lightningd is starting, as opposed to `plugin start`.
	Startup bool
	// Options holds the JSON value of each option that is set or has a
	// default, by name. A multi option that is neither is absent.
	Options map[string]json.RawMessage
}

// Plugin is what lightningd loads. Set the fields, then call Run once.
// LogHandler and Notify may be used at any time.
type Plugin struct {
	Methods []Method
	Options []Option
	// Notifications are the custom topics that Notify may send.
	Notifications []string
	// Disable is asked at each getmanifest, which may come before lightningd
	// owns its directory: touch no file. A reason takes the plugin out.
	Disable func() string
	// Init must return at once: lightningd waits for it at startup. ctx ends
	// when Run does. A reason makes lightningd drop the plugin. lightningd
	// kills a plugin that dropped out without any warning.
	Init func(ctx context.Context, c Config) (disable string)
	// Block is called for each block_added of lightningd, in order. It must
	// not block. Heights repeat after a restart and go back in a reorg: it
	// is only a hint.
	Block func(height uint32)

	once   sync.Once
	queue  *outbox
	limits limits
}

// limits bound the guard; zero values mean the defaults.
type limits struct {
	calls    int           // in flight at once
	deadline time.Duration // of one handler's ctx
	grace    time.Duration // for handlers to end: at the stop, and once cancelled
	drain    time.Duration // for what is queued to be written at the end
	stall    time.Duration // that an answer waits for lightningd to read
}

func (l limits) orDefault() limits {
	if l.calls == 0 {
		l.calls = 128
	}
	if l.deadline == 0 {
		l.deadline = 30 * time.Second
	}
	if l.grace == 0 {
		l.grace = 3 * time.Second
	}
	if l.drain == 0 {
		l.drain = 3 * time.Second
	}
	if l.stall == 0 {
		l.stall = time.Minute
	}
	return l
}

func (p *Plugin) outbox() *outbox {
	p.once.Do(func() { p.queue = newOutbox(p.limits.orDefault().stall) })
	return p.queue
}

// LogHandler returns a handler that logs through lightningd: one line a
// record, at most 2,000 bytes. It never blocks; when lightningd doesn't read,
// records are dropped and counted. Levels: Debug-4 trace, Debug debug, Info
// info, Warn unusual, Error broken.
func (p *Plugin) LogHandler() slog.Handler { return &logHandler{queue: p.outbox()} }

// Notify sends a custom notification, params being a JSON object, and returns
// once it is written to lightningd, or with why it is not when ctx ends. Topics
// that are not in Notifications are refused.
func (p *Plugin) Notify(ctx context.Context, topic string, params any) error {
	if !slices.Contains(p.Notifications, topic) {
		return fmt.Errorf("the notification %q is not declared", topic)
	}
	text, err := notification(topic, params)
	if err != nil {
		return fmt.Errorf("encode the notification %q: %w", topic, err)
	}
	if err := p.outbox().notice(ctx, text); err != nil {
		return fmt.Errorf("send the notification %q: %w", topic, err)
	}
	return nil
}

func notification(method string, params any) ([]byte, error) {
	text, err := marshal(struct {
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{"2.0", method, params})
	return append(text, "\n\n"...), err
}
