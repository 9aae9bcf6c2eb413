package bitcoind

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/tower/chain"
)

// node is an HTTP server that answers as a test says.
type node struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string // method and parameters, in order
}

// newNode starts a server; answer gets each call and may take over all of it.
func newNode(t testing.TB, answer func(w http.ResponseWriter, call string)) *node {
	t.Helper()
	n := &node{}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Method string
			Params []json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		call := req.Method
		for _, p := range req.Params {
			call += " " + string(p)
		}
		n.mu.Lock()
		n.calls = append(n.calls, call)
		n.mu.Unlock()
		answer(w, call)
	}))
	t.Cleanup(n.Close)
	return n
}

func (n *node) called() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.calls)
}

// answers maps what a call begins with to an answer: a result in JSON, or
// "!" and an error in JSON, sent with bitcoind's status for it.
type answers map[string]string

func (a answers) serve(w http.ResponseWriter, call string) {
	for prefix, answer := range a {
		if !strings.HasPrefix(call, prefix) {
			continue
		}
		if e, failed := strings.CutPrefix(answer, "!"); failed {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, `{"result":null,"error":%s,"id":"vigil"}`, e)
			return
		}
		fmt.Fprintf(w, `{"result":%s,"error":null,"id":"vigil"}`, answer)
		return
	}
	http.Error(w, "no answer for "+call, http.StatusNotFound)
}

func newClient(t testing.TB, n *node) *Client {
	t.Helper()
	c, err := New(Config{URL: strings.Replace(n.URL, "://", "://user:secret@", 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestTip(t *testing.T) {
	for info, want := range map[string]chain.Tip{
		`{"chain":"main","blocks":900000,"headers":900001}`: {Network: "main", Height: 900_000},
		`{"chain":"regtest","blocks":0}`:                    {Network: "regtest"},
		`{"chain":"mainnet","blocks":1}`:                    {Network: "main", Height: 1},
		`{"chain":"testnet3","blocks":1}`:                   {Network: "test", Height: 1},
		`{"chain":"testnet4","blocks":1}`:                   {Network: "testnet4", Height: 1},
		`{"chain":"simnet","blocks":4294967295}`:            {Network: "simnet", Height: 1<<32 - 1},
	} {
		n := newNode(t, answers{"getblockchaininfo": info}.serve)
		if got, err := newClient(t, n).Tip(t.Context()); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", info, got, err)
		}
	}
}

func TestTipRefuses(t *testing.T) {
	for _, info := range []string{
		`null`, `{}`, `[]`, `7`, `"main"`, `{"chain":"main"}`, `{"blocks":1}`, `{"chain":"main","blocks":null}`,
		`{"chain":"main","blocks":-1}`, `{"chain":"main","blocks":4294967296}`, `{"chain":"main","blocks":1.5}`,
		`{"chain":"main","blocks":"1"}`, `{"chain":1,"blocks":1}`,
	} {
		n := newNode(t, answers{"getblockchaininfo": info}.serve)
		if got, err := newClient(t, n).Tip(t.Context()); !errors.Is(err, ErrBadAnswer) {
			t.Errorf("%s: got %+v, %v", info, got, err)
		}
	}
}

const someHash = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"

func TestBlock(t *testing.T) {
	block := strings.Repeat("0a", 4_000_000)
	n := newNode(t, answers{
		"getblockhash 7": `"` + someHash + `"`,
		"getblock " + `"` + someHash + `"` + " 0": `"` + block + `"`,
	}.serve)
	raw, err := newClient(t, n).Block(t.Context(), 7)
	if err != nil || hex.EncodeToString(raw) != block {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
}

func TestHeader(t *testing.T) {
	hash, err := chainhash.NewHashFromStrStrict(someHash)
	if err != nil {
		t.Fatal(err)
	}
	call := `getblockheader "` + someHash + `" true`
	prev := strings.Repeat("ab", chainhash.HashSize)
	for answer, want := range map[string]chain.Header{
		`{"height":7,"previousblockhash":"` + prev + `"}`: {Height: 7, Hash: *hash, Prev: chainhash.Hash(bytes.Repeat([]byte{0xab}, 32))},
		`{"height":0}`: {Hash: *hash},
	} {
		n := newNode(t, answers{call: answer}.serve)
		if got, err := newClient(t, n).Header(t.Context(), *hash); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", answer, got, err)
		}
	}
	for _, answer := range []string{`null`, `{}`, `7`, `{"height":-1}`, `{"height":7,"previousblockhash":"xy"}`} {
		n := newNode(t, answers{call: answer}.serve)
		if got, err := newClient(t, n).Header(t.Context(), *hash); !errors.Is(err, ErrBadAnswer) {
			t.Errorf("%s: got %+v, %v", answer, got, err)
		}
	}
	n := newNode(t, answers{call: `!{"code":-5,"message":"Block not found"}`}.serve)
	if _, err := newClient(t, n).Header(t.Context(), *hash); !hasCode(err, codeNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestBlockErrors(t *testing.T) {
	const (
		hash    = `"` + someHash + `"`
		gone    = `!{"code":-1,"message":"Block not available (pruned data)"}`
		unknown = `!{"code":-5,"message":"Block not found"}`
	)
	for name, tc := range map[string]struct {
		hash, block, info string
		want              error
	}{
		"above the tip":        {hash: `!{"code":-8,"message":"Block height out of range"}`, want: chain.ErrNoBlock},
		"above btcd's tip":     {hash: `!{"code":-1,"message":"Block number out of range"}`, want: chain.ErrNoBlock},
		"warming up":           {hash: `!{"code":-28,"message":"Loading block index"}`, want: &RPCError{-28, "Loading block index"}},
		"hash null":            {hash: `null`, want: ErrBadAnswer},
		"hash short":           {hash: `"00"`, want: ErrBadAnswer},
		"hash no hex":          {hash: `"` + strings.Repeat("x", 64) + `"`, want: ErrBadAnswer},
		"hash a number":        {hash: `1`, want: ErrBadAnswer},
		"block odd":            {hash: hash, block: `"000"`, want: ErrBadAnswer},
		"block empty":          {hash: hash, block: `""`, want: ErrBadAnswer},
		"block an object":      {hash: hash, block: `{"hash":"00"}`, want: ErrBadAnswer},
		"pruned":               {hash, gone, `{"chain":"main","blocks":9,"pruned":true,"pruneheight":8}`, chain.ErrPruned},
		"pruned by btcd":       {hash, unknown, `{"chain":"mainnet","blocks":9,"pruned":true}`, chain.ErrPruned},
		"not pruned so far":    {hash, gone, `{"chain":"main","blocks":9,"pruned":true,"pruneheight":7}`, &RPCError{-1, "Block not available (pruned data)"}},
		"not downloaded":       {hash, `!{"code":-1,"message":"Block not available (not fully downloaded)"}`, `{"chain":"main","blocks":9,"pruned":false}`, &RPCError{-1, "Block not available (not fully downloaded)"}},
		"unknown":              {hash, unknown, `{"chain":"main","blocks":9,"pruned":false}`, &RPCError{-5, "Block not found"}},
		"down in between":      {hash, gone, `!{"code":-28,"message":"Loading"}`, &RPCError{-1, "Block not available (pruned data)"}},
		"another code, pruned": {hash, `!{"code":-32603,"message":"pruned data"}`, `{"chain":"main","blocks":9,"pruned":true,"pruneheight":8}`, &RPCError{-32603, "pruned data"}},
	} {
		n := newNode(t, answers{"getblockhash 7": tc.hash, "getblock ": tc.block, "getblockchaininfo": tc.info}.serve)
		if _, err := newClient(t, n).Block(t.Context(), 7); !is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// is compares an RPCError by its value, another error by errors.Is.
func is(err, want error) bool {
	var got, rpc *RPCError
	if errors.As(want, &rpc) {
		return errors.As(err, &got) && *got == *rpc
	}
	return errors.Is(err, want)
}

func TestPublish(t *testing.T) {
	const first, second = `sendrawtransaction "0102" 0`, `sendrawtransaction "0102" true`
	for name, tc := range map[string]struct {
		answers answers
		want    error
		calls   []string
	}{
		"accepted":           {answers{first: `"txid"`}, nil, []string{first}},
		"in btcd's mempool":  {answers{first: `!{"code":-26,"message":"TX rejected: already have transaction in mempool 613a"}`}, nil, []string{first}},
		"confirmed":          {answers{first: `!{"code":-27,"message":"Transaction outputs already in utxo set"}`}, nil, []string{first}},
		"fee too low":        {answers{first: `!{"code":-26,"message":"min relay fee not met, 134 < 665"}`}, &RPCError{-26, "min relay fee not met, 134 < 665"}, []string{first}},
		"input missing":      {answers{first: `!{"code":-25,"message":"bad-txns-inputs-missingorspent"}`}, &RPCError{-25, "bad-txns-inputs-missingorspent"}, []string{first}},
		"old bitcoind":       {answers{first: `!{"code":-3,"message":"Expected type bool, got number"}`, second: `"txid"`}, nil, []string{first, second}},
		"old btcd":           {answers{first: `!{"code":-32602,"message":"parameter #2 must be type bool"}`, second: `"txid"`}, nil, []string{first, second}},
		"old btcd, refused":  {answers{first: `!{"code":-32602,"message":""}`, second: `!{"code":-25,"message":"orphan"}`}, &RPCError{-25, "orphan"}, []string{first, second}},
		"long and unbounded": {answers{first: `!{"code":-26,"message":"a\n\u001b[31m` + strings.Repeat("é", 1e6) + `"}`}, &RPCError{-26, "a  [31m" + strings.Repeat("é", 96)}, []string{first}},
		"error a string":     {answers{first: `!"no"`}, ErrBadAnswer, []string{first}},
		"no result":          {answers{first: `null`}, ErrBadAnswer, []string{first}},
	} {
		n := newNode(t, tc.answers.serve)
		err := newClient(t, n).Publish(t.Context(), []byte{1, 2})
		if !is(err, tc.want) || !slices.Equal(n.called(), tc.calls) {
			t.Errorf("%s: %.300v after %q", name, err, n.called())
		}
	}
}
