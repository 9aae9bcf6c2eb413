package cln

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
)

// disabled is the answer to init; without a reason it accepts.
type disabled struct {
	Reason string `json:"disable,omitempty"`
}

// init answers lightningd's init. lightningd ignores an error there and goes
// on with the plugin, so each fault leaves as a reason to disable.
func (g *guard) init(_ context.Context, params json.RawMessage) (any, error) {
	config, err := parseInit(params)
	if err != nil {
		return disabled{"init: " + err.Error()}, nil
	}
	if !g.initStarted.CompareAndSwap(false, true) {
		return nil, &Error{Code: CodeInvalidRequest, Message: "init came twice"}
	}
	reason := g.reason("init", func() string {
		if g.plugin.Init == nil {
			return ""
		}
		return g.plugin.Init(g.ctx, config)
	})
	if reason != "" { // lightningd's own line about it is at debug
		g.log.Warn("disabled: " + reason)
	}
	g.ready.Store(reason == "")
	// lightningd escapes it once more on its way to whoever started the plugin.
	return disabled{strings.ReplaceAll(reason, `"`, "'")}, nil
}

func parseInit(params json.RawMessage) (Config, error) {
	var p struct {
		Options       map[string]json.RawMessage `json:"options"`
		Configuration struct {
			Dir     string `json:"lightning-dir"`
			RPCFile string `json:"rpc-file"`
			Network string `json:"network"`
			Startup bool   `json:"startup"`
		} `json:"configuration"`
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return Config{}, err
	}
	c := p.Configuration
	if !filepath.IsAbs(c.RPCFile) {
		c.RPCFile = filepath.Join(c.Dir, c.RPCFile)
	}
	return Config{
		LightningDir: c.Dir,
		RPCFile:      c.RPCFile,
		Network:      c.Network,
		Startup:      c.Startup,
		Options:      p.Options,
	}, nil
}

// check answers `lightning-cli check METHOD …`: lightningd passes the whole
// request on, the method's name still among its parameters.
func (g *guard) check(_ context.Context, params json.RawMessage) (any, error) {
	name, rest, fault := splitCheck(params)
	if fault != nil {
		return nil, fault
	}
	for _, m := range g.plugin.Methods {
		if m.Name != name {
			continue
		}
		if m.Check != nil {
			if err := m.Check(rest); err != nil {
				return nil, err
			}
		}
		return map[string]string{"command_to_check": name}, nil
	}
	return nil, unknownMethod(name)
}

// splitCheck takes the name of the method to check out of the parameters; the
// others stay as they are.
func splitCheck(params json.RawMessage) (name string, rest json.RawMessage, fault *Error) {
	var first []byte
	if params[0] == '[' {
		first, rest = cutValue(params[1:])
		rest, _ = bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(","))
		rest = append([]byte{'['}, rest...)
	} else {
		list := members(params)
		first = find(list, "command_to_check")
		rest = without(list, "command_to_check")
	}
	if json.Unmarshal(first, &name) != nil || !json.Valid(rest) {
		return "", nil, &Error{Code: CodeInvalidParams, Message: "missing required parameter: command_to_check"}
	}
	return name, rest, nil
}

// without joins members to an object again, leaving out one key.
func without(list []member, key string) json.RawMessage {
	var parts [][]byte
	for _, m := range list {
		if string(m.key) != key {
			parts = append(parts, bytes.Join([][]byte{[]byte(`"`), m.key, []byte(`":`), m.value}, nil))
		}
	}
	return bytes.Join([][]byte{[]byte("{"), bytes.Join(parts, []byte(",")), []byte("}")}, nil)
}

func unknownMethod(name string) *Error {
	return &Error{Code: CodeMethodNotFound, Message: "unknown method " + cut(name, 64)}
}

// notified handles a notification, in the order they came. Those we didn't
// subscribe to are ignored.
func (g *guard) notified(m message) {
	switch m.method {
	case "shutdown":
		g.shutdownOnce.Do(func() { close(g.shutdown) })
	case "block_added":
		g.blockAdded(m.params)
	}
}

func (g *guard) blockAdded(params json.RawMessage) {
	var p struct {
		Block struct {
			Height *uint32 `json:"height"`
		} `json:"block_added"`
	}
	if err := json.Unmarshal(params, &p); err != nil || p.Block.Height == nil {
		g.log.Warn("block_added without a height")
		return
	}
	if g.plugin.Block != nil {
		g.protected("block_added", func() { g.plugin.Block(*p.Block.Height) })
	}
}
