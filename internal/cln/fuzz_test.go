package cln

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// FuzzReadAnswer: whatever stands on lightning-rpc, a call ends with a result
// that is inside what was read, or with an error; and it does not matter how
// the stream is cut.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":"vigil:getchaininfo#1","result":{"chain":"regtest","blockcount":1}}`,
		`{"method":"progress","params":{}}` + "\n\n" + `{"id":"vigil:getchaininfo#1","error":{"code":-32601,"message":"no","data":[]}}`,
		`{"id":"vigil:getchaininfo#1","error":{"code":"x"}}`,
		`{"id":"vigil:getchaininfo#1"}`, `{"id":"other","result":{}}`, `[]`, `{`, ``,
		`{"id":"vigil:getchaininfo#1","error":null,"result":[{"a":"}"}]}`,
	} {
		f.Add([]byte(seed))
	}
	const id = `"vigil:getchaininfo#1"`
	f.Fuzz(func(t *testing.T, stream []byte) {
		result, err := readAnswer(bytes.NewReader(stream), id)
		split, errSplit := readAnswer(iotest.OneByteReader(bytes.NewReader(stream)), id)
		if !bytes.Equal(result, split) || (err == nil) != (errSplit == nil) {
			t.Fatalf("whole %q, %v; byte by byte %q, %v", result, err, split, errSplit)
		}
		var refused *RPCError
		switch {
		case err == nil && (len(result) == 0 || !bytes.Contains(stream, result)):
			t.Fatalf("result %q is not in the stream", result)
		case errors.As(err, &refused) && refused.Error() == "":
			t.Fatal("an error that says nothing")
		}
	})
}

// FuzzResults: whatever lightningd gives as a result, the chain and the key
// that are made of it are whole or there is an error that fits into a log.
func FuzzResults(f *testing.F) {
	for _, seed := range []string{
		`{"chain":"regtest","headercount":2,"blockcount":1,"ibd":false}`, `{"chain":"","blockcount":4294967296}`,
		`{"blockhash":"00","block":"00ff"}`, `{"blockhash":null,"block":null}`, `{"block":"0"}`,
		`{"success":true,"errmsg":""}`, `{"success":false,"errmsg":"\u0000\n"}`, `[]`, `null`,
		`{"secret":"` + strings.Repeat("ab", 32) + `"}`, `{"secret":"` + strings.Repeat("ab", 33) + `"}`,
	} {
		f.Add([]byte(seed))
	}
	var result atomic.Pointer[[]byte]
	rpc := answering(f, &result)
	f.Fuzz(func(t *testing.T, text []byte) {
		result.Store(&text)
		source := NewChain(rpc)
		tip, errTip := source.Tip(t.Context())
		block, errBlock := source.Block(t.Context(), 1)
		errPublish := source.Publish(t.Context(), []byte{1})
		secret, errSecret := TowerSecret(t.Context(), rpc)
		if errTip == nil && tip.Network == "" || errSecret != nil && secret != [32]byte{} {
			t.Fatalf("took %q as a tip or a key", text)
		}
		if errBlock == nil && 2*len(block) > len(text) {
			t.Fatalf("block %x is not in %q", block, text)
		}
		if errPublish != nil && len(errPublish.Error()) > 2000 {
			t.Fatalf("an error of %d bytes", len(errPublish.Error()))
		}
	})
}

// answering is a lightning-rpc that gives the same result to every call.
func answering(f *testing.F, result *atomic.Pointer[[]byte]) *RPC {
	f.Helper()
	path := filepath.Join(f.TempDir(), "rpc")
	l, err := net.Listen("unix", path)
	if err != nil {
		f.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if request, err := newFrameReader(conn, maxRequest).next(); err == nil {
				_, _ = conn.Write(answer(find(members(request.text), "id"), append([]byte(`"result":`), *result.Load()...)))
			}
			conn.Close()
		}
	})
	f.Cleanup(func() { l.Close(); serving.Wait() })
	return DialRPC(path)
}

func FuzzInit(f *testing.F) {
	f.Add([]byte(initParams))
	f.Add([]byte(`[{},{}]`))
	f.Add([]byte(`{"options":{"a":null},"configuration":{"lightning-dir":1}}`))
	f.Add([]byte(`{"configuration":{"rpc-file":"/x","lightning-dir":"y"}}`))
	f.Fuzz(func(t *testing.T, params []byte) {
		config, err := parseInit(params)
		if err == nil && !json.Valid(params) {
			t.Fatalf("took %q", params)
		}
		for name, value := range config.Options {
			if err == nil && !json.Valid(value) {
				t.Fatalf("option %q is %q", name, value)
			}
		}
	})
}
