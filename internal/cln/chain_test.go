package cln

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"vigil/internal/tower/chain"
)

func TestChainTip(t *testing.T) {
	c := NewChain(rpcServer(t, answers(map[string]string{
		"getchaininfo": `"result":{"chain":"regtest","headercount":120,"blockcount":116,"ibd":false}`})))
	if tip, err := c.Tip(t.Context()); err != nil || tip != (chain.Tip{Network: "regtest", Height: 116}) {
		t.Errorf("%+v, %v", tip, err)
	}
	for _, odd := range []string{`{}`, `{"chain":"regtest"}`, `{"blockcount":1}`} {
		c := NewChain(rpcServer(t, answers(map[string]string{"getchaininfo": `"result":` + odd})))
		if _, err := c.Tip(t.Context()); err == nil || err.Error() != "getchaininfo names no chain or no blockcount" {
			t.Errorf("%s: %v", odd, err)
		}
	}
	down := NewChain(rpcServer(t, answers(map[string]string{"getchaininfo": `"error":{"code":500,"message":"no bitcoind"}`})))
	var rpcErr *RPCError
	if _, err := down.Tip(t.Context()); !errors.As(err, &rpcErr) || rpcErr.Code != 500 {
		t.Errorf("bitcoind down: %v", err)
	}
}

func TestChainBlock(t *testing.T) {
	largest := strings.Repeat("ab", 4_000_000)
	c := NewChain(rpcServer(t, func(r rpcCall, conn net.Conn) {
		body := map[string]string{
			`{"height":7}`:          `{"blockhash":"00","block":"0001ff"}`,
			`{"height":8}`:          `{"blockhash":null,"block":null}`,
			`{"height":9}`:          `{"blockhash":"00","block":"0001f"}`,
			`{"height":4294967295}`: `{"blockhash":"00","block":"` + largest + `"}`,
		}[string(r.Params)]
		fmt.Fprintf(conn, `{"id":%s,"result":%s}`, r.ID, body)
	}))
	if b, err := c.Block(t.Context(), 7); err != nil || string(b) != "\x00\x01\xff" {
		t.Errorf("block: %x, %v", b, err)
	}
	if _, err := c.Block(t.Context(), 8); !errors.Is(err, chain.ErrNoBlock) || err.Error() != "height 8: no block at this height" {
		t.Errorf("null: %v", err)
	}
	if _, err := c.Block(t.Context(), 9); err == nil || err.Error() != "block at height 9: encoding/hex: odd length hex string" {
		t.Errorf("odd hex: %v", err)
	}
	if b, err := c.Block(t.Context(), 1<<32-1); err != nil || len(b) != 4_000_000 {
		t.Errorf("largest block: %d bytes, %v", len(b), err)
	}
}

func TestChainPublish(t *testing.T) {
	params := make(chan string, 1)
	c := NewChain(rpcServer(t, func(r rpcCall, conn net.Conn) {
		params <- string(r.Params)
		answers(map[string]string{"sendrawtransaction": `"result":{"success":true,"errmsg":""}`})(r, conn)
	}))
	if err := c.Publish(t.Context(), []byte{1, 0xff}); err != nil {
		t.Error(err)
	}
	if p := receive(t, params); p != `{"allowhighfees":true,"tx":"01ff"}` {
		t.Errorf("params %s", p)
	}
	refuses := NewChain(rpcServer(t, answers(map[string]string{"sendrawtransaction": `"result":{"success":false,"errmsg":"error code: -26\nmin relay fee ` +
		strings.Repeat("x", 5000) + `"}`})))
	err := refuses.Publish(t.Context(), []byte{1})
	if err == nil || len(err.Error()) > 600 || !strings.HasPrefix(err.Error(), `sendrawtransaction: error code: -26 min relay fee xx`) {
		t.Errorf("refused: %.700v", err)
	}
	confirmed := NewChain(rpcServer(t, answers(map[string]string{"sendrawtransaction": `"result":{"success":false,` +
		`"errmsg":"error code: -27\nerror message:\nTransaction outputs already in utxo set\n"}`})))
	if err := confirmed.Publish(t.Context(), []byte{1}); err != nil {
		t.Errorf("in a block already: %v", err)
	}
}

// bcli serves one request at a time, and the node waits behind it.
func TestChainCallsOneAtATime(t *testing.T) {
	var busy atomic.Int32
	inside, release := make(chan struct{}, 8), make(chan struct{})
	c := NewChain(rpcServer(t, func(r rpcCall, conn net.Conn) {
		if n := busy.Add(1); n != 1 {
			t.Errorf("%d calls at once", n)
		}
		inside <- struct{}{}
		<-release
		busy.Add(-1)
		answers(map[string]string{"getchaininfo": `"result":{"chain":"main","blockcount":1}`})(r, conn)
	}))
	ended := make(chan error)
	for range 4 {
		go func() { _, err := c.Tip(t.Context()); ended <- err }()
	}
	receive(t, inside)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Block(ctx, 1); !errors.Is(err, context.Canceled) || err.Error() != "wait to call getrawblockbyheight: context canceled" {
		t.Errorf("waiting: %v", err)
	}
	close(release)
	for range 4 {
		if err := receive(t, ended); err != nil {
			t.Error(err)
		}
	}
}
