package harness

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// listen serves lightning-rpc until end.
func (s *StandIn) listen(ctx context.Context) {
	s.t.Helper()
	path := filepath.Join(s.dir, "lightning-rpc")
	var err error
	if s.rpc, err = net.Listen("unix", path); err != nil {
		s.t.Fatalf("listen on lightning-rpc: %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		s.t.Fatalf("%v", err)
	}
	s.serving.Go(func() {
		for {
			conn, err := s.rpc.Accept()
			if err != nil {
				return // closed by end
			}
			s.mu.Lock()
			s.conns[conn] = struct{}{}
			s.mu.Unlock()
			s.serving.Go(func() { s.serve(ctx, conn) })
		}
	})
}

// DropConnections closes every connection to lightning-rpc, as a restart of
// lightningd would.
func (s *StandIn) DropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// serve answers the calls of one connection; several may be under way.
func (s *StandIn) serve(ctx context.Context, conn net.Conn) {
	var calls sync.WaitGroup
	var writing sync.Mutex
	defer func() {
		_ = conn.Close()
		calls.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	}()
	decoder := json.NewDecoder(conn)
	for {
		var m message
		if decoder.Decode(&m) != nil {
			return
		}
		calls.Go(func() {
			b := s.answer(ctx, m)
			writing.Lock()
			defer writing.Unlock()
			_, _ = conn.Write(append(b, "\n\n"...)) // the caller may be gone
		})
	}
}

func (s *StandIn) answer(ctx context.Context, m message) []byte {
	answer := map[string]any{"jsonrpc": "2.0", "id": m.ID}
	result, err := s.dispatch(ctx, m)
	var refused *RPCError
	switch {
	case errors.As(err, &refused):
		answer["error"] = refused
	case err != nil:
		answer["error"] = &RPCError{Code: invalidParams, Message: err.Error()}
	default:
		answer["result"] = result
	}
	b, err := json.Marshal(answer)
	if err != nil {
		s.t.Errorf("answer %s: %v", m.Method, err)
	}
	return b
}

func (s *StandIn) dispatch(ctx context.Context, m message) (any, error) {
	if method, ok := s.methods()[m.Method]; ok {
		params, err := named(m.Params, method.params)
		if err != nil {
			return nil, err
		}
		return method.serve(ctx, params)
	}
	var result json.RawMessage
	err := s.Call(ctx, m.Method, m.Params, &result)
	return result, err
}

// rpcMethod is one of lightningd's own methods.
type rpcMethod struct {
	params []string // in their order; one with a ? may be left out
	serve  func(ctx context.Context, params map[string]any) (any, error)
}

// named turns positional parameters into named ones and finds those that are
// missing or unknown.
func named(raw json.RawMessage, names []string) (map[string]any, error) {
	params := map[string]any{}
	if raw == nil {
		raw = json.RawMessage("{}")
	}
	var list []any
	if json.Unmarshal(raw, &list) == nil {
		if len(list) > len(names) {
			return nil, errors.New("too many parameters")
		}
		for i, value := range list {
			params[bare(names[i])] = value
		}
	} else if err := json.Unmarshal(raw, &params); err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, name := range names {
		known[bare(name)] = true
		if _, ok := params[name]; !ok && name == bare(name) {
			return nil, errors.New("missing required parameter: " + name)
		}
	}
	for name := range params {
		if !known[name] {
			return nil, errors.New("unknown parameter: " + name)
		}
	}
	return params, nil
}

func bare(name string) string {
	if name[len(name)-1] == '?' {
		return name[:len(name)-1]
	}
	return name
}
