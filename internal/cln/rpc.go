package cln

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// maxAnswer bounds an answer of lightningd, in bytes: the hex of the
	// largest block, 4 MB, is 8 MB.
	maxAnswer = 16 << 20
	// callTimeout ends a call whose ctx ends later: a block that bitcoind has
	// pruned keeps lightningd's bcli busy for up to 60 s.
	callTimeout = 90 * time.Second
	// maxSocketPath is the longest path that a Unix socket's address holds.
	maxSocketPath = 107
)

// RPC calls lightningd's methods. Each call has its own connection, so a
// lightningd that restarts needs no reconnecting. Methods may be called
// concurrently.
type RPC struct {
	path string
	last atomic.Uint64
}

// DialRPC returns a client of the socket at path, Config.RPCFile. It doesn't
// connect yet.
func DialRPC(path string) *RPC { return &RPC{path: path} }

// Call calls a method with params (a struct or a map; nil for none) and
// decodes its result into out, unless that is nil. It ends with ctx, at the
// latest after 90 s. An error that lightningd answered is an *RPCError.
func (r *RPC) Call(ctx context.Context, method string, params, out any) error {
	result, err := r.result(ctx, method, params)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(result, out); err != nil {
		return fmt.Errorf("call %s: result: %w", method, err)
	}
	return nil
}

// result calls a method as Call does, and returns the result as it came:
// whether it is JSON was not looked at.
func (r *RPC) result(ctx context.Context, method string, params any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	result, err := r.call(ctx, method, params)
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	return result, nil
}

func (r *RPC) call(ctx context.Context, method string, params any) (result []byte, err error) {
	id := strconv.Quote("vigil:" + method + "#" + strconv.FormatUint(r.last.Add(1), 10))
	request, err := encodeRequest(id, method, params)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socketAddress(r.path))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	return readAnswer(conn, id)
}

func encodeRequest(id, method string, params any) ([]byte, error) {
	if params == nil {
		params = struct{}{}
	}
	text, err := marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method"`
		Params  any             `json:"params"`
	}{"2.0", json.RawMessage(id), method, params})
	return append(text, "\n\n"...), err
}

// readAnswer reads until the answer with that id; lightningd may send
// notifications before it.
func readAnswer(conn io.Reader, id string) (result []byte, err error) {
	r := newFrameReader(conn, maxAnswer)
	for {
		f, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case f.over:
			return nil, errors.New("the answer is larger than 16 MiB")
		}
		list := members(f.text)
		if string(find(list, "id")) != id {
			continue
		}
		if fault := find(list, "error"); fault != nil && string(fault) != "null" {
			return nil, decodeError(fault)
		}
		if result := find(list, "result"); result != nil {
			return result, nil
		}
		return nil, errors.New("the answer has neither result nor error")
	}
}

func decodeError(text []byte) error {
	fault := new(RPCError)
	if err := json.Unmarshal(text, fault); err != nil {
		return fmt.Errorf("error in the answer: %w", err)
	}
	return fault
}

// socketAddress shortens a path that is too long for a socket's address:
// lightningd, and so the plugin, works in the directory of its socket.
func socketAddress(path string) string {
	if len(path) <= maxSocketPath {
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(dir, path); err == nil && len(short) < len(path) {
		return short
	}
	return path
}
