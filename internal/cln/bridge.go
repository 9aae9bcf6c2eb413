package cln

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/elementsproject/glightning/glightning"
	"github.com/elementsproject/glightning/jrpc2"
)

// bridge is one method as glightning sees it. Its only parameter is the text
// of the real ones: a string is all that passes through glightning unchanged.
type bridge struct {
	Params string `json:"params"`

	name  string
	serve func(params json.RawMessage) (body []byte)
}

func (b *bridge) Name() string { return b.name }

// New is called for each request.
func (b *bridge) New() any { return &bridge{name: b.name, serve: b.serve} }

// Call returns the body of the answer as a string and never an error, since
// glightning gives all errors the code -1.
func (b *bridge) Call() (jrpc2.Result, error) {
	return string(b.serve(json.RawMessage(b.Params))), nil
}

type handler func(ctx context.Context, params json.RawMessage) (any, error)

// register fills glightning's registry. It has to come before Start, which
// registers its own getmanifest and init; these then fail, and are ignored.
func (g *guard) register() error {
	protocol := map[string]handler{"getmanifest": g.getManifest, "init": g.init, "check": g.check}
	for name, h := range protocol {
		if err := g.registerMethod(name, "", h); err != nil {
			return err
		}
	}
	for _, m := range g.plugin.Methods {
		if err := g.registerMethod(m.Name, m.Description, m.Handle); err != nil {
			return err
		}
	}
	for _, o := range g.plugin.Options {
		if err := g.lib.RegisterOption(option{o}); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) registerMethod(name, description string, h handler) error {
	b := &bridge{name: name, serve: func(params json.RawMessage) []byte { return g.serve(name, h, params) }}
	if err := g.lib.RegisterMethod(glightning.NewRpcMethod(b, description)); err != nil {
		return fmt.Errorf("method %q: %w", name, err)
	}
	return nil
}

// serve runs one handler and returns the body of its answer.
func (g *guard) serve(name string, h handler, params json.RawMessage) (body []byte) {
	defer func() {
		if r := recover(); r != nil {
			g.panicked(name, r)
			body = g.failure(name, errInternal)
		}
	}()
	ctx, cancel := context.WithTimeout(g.ctx, g.limits.deadline)
	defer cancel()
	result, err := h(ctx, params)
	if err == nil && result == nil {
		result = struct{}{}
	}
	text, encodeErr := marshal(result)
	if err = errors.Join(err, encodeErr); err != nil {
		return g.failure(name, err)
	}
	return append([]byte(`"result":`), text...)
}

// failure returns the body that tells an error.
func (g *guard) failure(name string, err error) []byte {
	var known *Error
	switch {
	case errors.As(err, &known) && known != nil:
	case g.ctx.Err() != nil && errors.Is(err, context.Canceled):
		known = errStopping
	case errors.Is(err, context.DeadlineExceeded):
		known = errSlow
		g.log.Warn("a call ran out of time", "method", name, "error", err)
	default:
		known = errInternal
		g.log.Warn("a call failed", "method", name, "error", err)
	}
	text, encodeErr := marshal(known)
	if encodeErr != nil {
		g.log.Warn("an error's data cannot be encoded", "method", name, "error", encodeErr)
		text, _ = marshal(&Error{Code: known.Code, Message: known.Message})
	}
	return append([]byte(`"error":`), text...)
}

// panicked logs a panic with the stack of the code that panicked.
func (g *guard) panicked(name string, value any) {
	stack := string(debug.Stack())
	if i := strings.Index(stack, "\npanic("); i >= 0 {
		stack = stack[i+1:]
	}
	g.log.Error("panic", "in", name, "value", cut(fmt.Sprint(value), 300), "stack", stack)
}

// reason asks a function whether it disables the plugin. A panic does, since
// lightningd takes an error in answer to init for success.
func (g *guard) reason(name string, f func() string) (disable string) {
	if f != nil && !g.protected(name, func() { disable = f() }) {
		return errInternal.Message
	}
	return disable
}

// protected says whether f ended without a panic.
func (g *guard) protected(name string, f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			g.panicked(name, r)
		}
	}()
	f()
	return true
}
