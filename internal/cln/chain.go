package cln

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"vigil/internal/tower/chain"
)

// Chain is a chain.Source over lightningd's own backend, whatever it is.
//
// bcli, the usual one, serves one request at a time and its lane is the
// node's too, so a Chain has at most one call under way. A backend that is
// down answers a block and a pruned block like a block that doesn't exist.
type Chain struct {
	rpc  *RPC
	lane chan struct{}
}

var _ chain.Source = (*Chain)(nil)

// NewChain returns the source; one for each lightningd.
func NewChain(rpc *RPC) *Chain { return &Chain{rpc, make(chan struct{}, 1)} }

// turn waits to call a method until no other call is under way, at the latest
// until ctx ends. Whoever has waited longest is next.
func (c *Chain) turn(ctx context.Context, method string) (done func(), err error) {
	select {
	case c.lane <- struct{}{}:
		return func() { <-c.lane }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to call %s: %w", method, ctx.Err())
	}
}

func (c *Chain) call(ctx context.Context, method string, params, out any) error {
	done, err := c.turn(ctx, method)
	if err != nil {
		return err
	}
	defer done()
	return c.rpc.Call(ctx, method, params, out)
}

// Tip implements chain.Source. blockcount, not headercount, is what the
// backend holds.
func (c *Chain) Tip(ctx context.Context) (chain.Tip, error) {
	var info struct {
		Chain  string  `json:"chain"`
		Blocks *uint32 `json:"blockcount"`
	}
	// Backends other than bcli may demand last_height; 0 claims nothing.
	params := map[string]any{"last_height": 0}
	if err := c.call(ctx, "getchaininfo", params, &info); err != nil {
		return chain.Tip{}, err
	}
	if info.Chain == "" || info.Blocks == nil {
		return chain.Tip{}, errors.New("getchaininfo names no chain or no blockcount")
	}
	return chain.Tip{Network: info.Chain, Height: *info.Blocks}, nil
}

// Block implements chain.Source.
func (c *Chain) Block(ctx context.Context, height uint32) ([]byte, error) {
	text, err := c.blockText(ctx, height)
	if err != nil {
		return nil, err
	}
	block := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(block, text); err != nil {
		return nil, fmt.Errorf("block at height %d: %w", height, err)
	}
	return block, nil
}

// blockText returns a block's hex out of lightningd's answer. encoding/json
// would go over its 8 MB three times to find that they are a string; ParseBlock
// checks what they say.
func (c *Chain) blockText(ctx context.Context, height uint32) ([]byte, error) {
	const method = "getrawblockbyheight"
	done, err := c.turn(ctx, method)
	if err != nil {
		return nil, err
	}
	defer done()
	result, err := c.rpc.result(ctx, method, map[string]any{"height": height})
	if err != nil {
		return nil, err
	}
	text := find(members(result), "block")
	if text == nil || string(text) == "null" {
		return nil, fmt.Errorf("height %d: %w", height, chain.ErrNoBlock)
	}
	return bytes.Trim(text, `"`), nil
}

// Publish implements chain.Source. High fees are allowed: a penalty's fee is
// its maker's choice, and the tower can't change it.
func (c *Chain) Publish(ctx context.Context, tx []byte) error {
	var answer struct {
		Success bool   `json:"success"`
		Message string `json:"errmsg"`
	}
	params := map[string]any{"tx": hex.EncodeToString(tx), "allowhighfees": true}
	if err := c.call(ctx, "sendrawtransaction", params, &answer); err != nil {
		return err
	}
	if answer.Success || strings.HasPrefix(answer.Message, confirmed) {
		return nil
	}
	return fmt.Errorf("sendrawtransaction: %s", oneLine(strings.Join(strings.Fields(answer.Message), " "), 500))
}

// confirmed is how bcli hands on bitcoin-cli's words for a transaction that is in a
// block. Taken for a refusal, it would only alarm the operator: the chain is what
// decides.
const confirmed = "error code: -27\n"
