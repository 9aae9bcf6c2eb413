package cln

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// rpcCall is one request that a rpcServer got.
type rpcCall struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
}

// rpcServer is lightningd's socket: serve writes what it likes, then the
// connection is closed.
func rpcServer(t testing.TB, serve func(c rpcCall, conn net.Conn)) *RPC {
	t.Helper()
	dir, err := os.MkdirTemp("", "cln") // t.TempDir's path may not fit a socket's address
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rpc")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				var c rpcCall
				if err := json.NewDecoder(bufio.NewReader(conn)).Decode(&c); err != nil {
					t.Errorf("request: %v", err)
				}
				serve(c, conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
		os.RemoveAll(dir)
	})
	return DialRPC(path)
}

// answers serves each method with a fixed body: "result":… or "error":….
func answers(bodies map[string]string) func(rpcCall, net.Conn) {
	return func(c rpcCall, conn net.Conn) {
		fmt.Fprintf(conn, `{"jsonrpc":"2.0","id":%s,%s}`+"\n\n", c.ID, bodies[c.Method])
	}
}

func TestCallSendsAndDecodes(t *testing.T) {
	got := make(chan rpcCall, 2)
	rpc := rpcServer(t, func(c rpcCall, conn net.Conn) {
		got <- c
		answers(map[string]string{"getinfo": `"result":{"n":9007199254740993}`})(c, conn)
	})
	var out struct{ N uint64 }
	if err := rpc.Call(t.Context(), "getinfo", map[string]string{"a": "<b>"}, &out); err != nil || out.N != 9007199254740993 {
		t.Errorf("%+v, %v", out, err)
	}
	if err := rpc.Call(t.Context(), "getinfo", nil, nil); err != nil {
		t.Error(err)
	}
	for i, params := range []string{`{"a":"<b>"}`, `{}`} {
		c := receive(t, got)
		if id := fmt.Sprintf(`"vigil:getinfo#%d"`, i+1); string(c.ID) != id || string(c.Params) != params {
			t.Errorf("request %s %s", c.ID, c.Params)
		}
	}
}

// Fault 9: after a drop every call has to work again.
func TestFault9EachCallConnectsAnew(t *testing.T) {
	rpc := rpcServer(t, func(c rpcCall, conn net.Conn) {
		if string(c.ID) == `"vigil:getinfo#1"` {
			io.WriteString(conn, `{"jsonrpc":"2.0","id":"vigil:getinfo#1","res`)
			return
		}
		answers(map[string]string{"getinfo": `"result":{}`})(c, conn)
	})
	if err := rpc.Call(t.Context(), "getinfo", nil, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
	if err := rpc.Call(t.Context(), "getinfo", nil, nil); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestCallReadsSplitAnswers(t *testing.T) {
	rpc := rpcServer(t, func(c rpcCall, conn net.Conn) {
		text := `{"jsonrpc":"2.0","method":"message","params":{"id":"x"}}` + "\n\n" +
			`{"jsonrpc":"2.0","id":"another","result":{"v":"wrong"}}` + "\n\n" +
			`{"result" : {"v":"a\n\n}"},` + "\n\n" + `"id":` + string(c.ID) + `}`
		io.Copy(conn, iotest.OneByteReader(strings.NewReader(text)))
	})
	var out struct{ V string }
	if err := rpc.Call(t.Context(), "x", nil, &out); err != nil || out.V != "a\n\n}" {
		t.Errorf("%q, %v", out.V, err)
	}
}

func TestCallErrors(t *testing.T) {
	rpc := rpcServer(t, func(c rpcCall, conn net.Conn) {
		if c.Method == "huge" {
			fmt.Fprintf(conn, `{"id":%s,"result":["%s"]}`, c.ID, strings.Repeat("x", maxAnswer))
			return
		}
		answers(map[string]string{
			"coded":   `"error":{"code":1301,"message":"not\nfound","data":{"claimed_key":"03c7"}}`,
			"neither": `"jsonrpc":"2.0"`,
			"odd":     `"error":"text"`,
			"type":    `"result":[1]`,
			"garbage": "}{",
		})(c, conn)
	})
	tests := map[string]string{
		"coded":   `call coded: lightningd: not\nfound (code 1301)`,
		"neither": "call neither: the answer has neither result nor error",
		"odd":     "call odd: error in the answer: json: cannot unmarshal string into Go value of type cln.RPCError",
		"type":    "call type: result: json: cannot unmarshal array into Go value of type struct {}",
		"huge":    "call huge: the answer is larger than 16 MiB",
		"garbage": "call garbage: the answer has neither result nor error",
	}
	for method, want := range tests {
		if err := rpc.Call(t.Context(), method, nil, new(struct{})); err == nil || err.Error() != want {
			t.Errorf("%s: %v", method, err)
		}
	}
	var coded *RPCError
	if err := rpc.Call(t.Context(), "coded", nil, nil); !errors.As(err, &coded) || coded.Code != 1301 || string(coded.Data) != `{"claimed_key":"03c7"}` {
		t.Errorf("data: %+v", coded)
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	inside := make(chan struct{}, 2)
	rpc := rpcServer(t, func(_ rpcCall, conn net.Conn) {
		inside <- struct{}{}
		io.Copy(io.Discard, conn) // hangs until the client leaves
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := rpc.Call(ctx, "hang", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	receive(t, inside)
	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-inside; cancel() }()
	if err := rpc.Call(ctx, "hang", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancel: %v", err)
	}
}

func TestCallWithoutLightningd(t *testing.T) {
	err := DialRPC(filepath.Join(t.TempDir(), "x")).Call(t.Context(), "getinfo", nil, nil)
	if !errors.Is(err, syscall.ENOENT) {
		t.Errorf("no socket: %v", err)
	}
	if err := DialRPC("x").Call(t.Context(), "getinfo", func() {}, nil); err == nil || !strings.Contains(err.Error(), "unsupported type") {
		t.Errorf("bad params: %v", err)
	}
}

// A socket in a long directory: lightningd binds it by its relative path.
func TestCallReachesALongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	l, err := net.Listen("unix", "rpc")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			bufio.NewReader(conn).ReadString('\n')
			io.WriteString(conn, `{"id":"vigil:getinfo#1","result":{}}`)
			conn.Close()
		}
	}()
	if err := DialRPC(filepath.Join(dir, "rpc")).Call(t.Context(), "getinfo", nil, nil); err != nil {
		t.Error(err)
	}
}

func TestTowerSecret(t *testing.T) {
	const secret = "fe6a33e800112233445566778899aabbccddeeff00112233445566778899aabb"
	params := make(chan string, 1)
	rpc := rpcServer(t, func(c rpcCall, conn net.Conn) {
		params <- string(c.Params)
		answers(map[string]string{"makesecret": `"result":{"secret":"` + secret + `"}`})(c, conn)
	})
	got, err := TowerSecret(t.Context(), rpc)
	if hex.EncodeToString(got[:]) != secret || err != nil {
		t.Errorf("%x, %v", got, err)
	}
	if p := receive(t, params); p != `{"string":"vigil tower key"}` {
		t.Errorf("params %s: another string is another tower", p)
	}
}

func TestTowerSecretRefusesOddAnswers(t *testing.T) {
	for _, odd := range []string{"", "fe", strings.Repeat("0", 63), strings.Repeat("0", 66), strings.Repeat("zz", 32)} {
		rpc := rpcServer(t, answers(map[string]string{"makesecret": `"result":{"secret":"` + odd + `"}`}))
		got, err := TowerSecret(t.Context(), rpc)
		if got != [32]byte{} || err == nil || err.Error() != "tower key: makesecret did not answer 32 bytes of hex" {
			t.Errorf("secret %q: %x, %v", odd, got, err)
		}
	}
	rpc := rpcServer(t, answers(map[string]string{"makesecret": `"error":{"code":-1,"message":"no"}`}))
	if _, err := TowerSecret(t.Context(), rpc); err == nil || err.Error() != "tower key: call makesecret: lightningd: no (code -1)" {
		t.Errorf("error: %v", err)
	}
}
