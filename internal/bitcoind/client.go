// Package bitcoind knows bitcoind's RPC, and nothing else does. btcd answers
// the same calls in its own way; where the two differ, this package says so.
package bitcoind

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/tower/chain"
)

// Codes of RPC errors: Bitcoin Core's rpc/protocol.h, btcd's
// btcjson/jsonrpcerr.go.
const (
	codeMisc             = -1 // bitcoind: block pruned; btcd: height out of range
	codeType             = -3
	codeNotFound         = -5 // btcd: block not in its database
	codeInvalidParameter = -8 // bitcoind: height out of range
	codeRejected         = -26
	codeConfirmed        = -27 // bitcoind: an output of it is unspent, so it is in a block
	codeWarmUp           = -28 // bitcoind is starting
	codeNoMethod         = -32601
	codeInvalidParams    = -32602
)

// lanes is how many transactions bitcoind is handed at once. It validates one
// at a time; the others are read, and their answers written, meanwhile. Its work
// queue has at least 16 places, which others need, too.
const lanes = 8

// Lanes implements chain.Wide.
func (c *Client) Lanes() int { return lanes }

var (
	_ chain.Wide        = (*Client)(nil)
	_ chain.Source      = (*Client)(nil)
	_ chain.BlockHasher = (*Client)(nil)
)

// chainInfo is what is used of getblockchaininfo. Pointers tell what is
// missing from what is zero.
type chainInfo struct {
	Chain       string  `json:"chain"`
	Blocks      *uint32 `json:"blocks"`
	Pruned      bool    `json:"pruned"`
	PruneHeight *uint32 `json:"pruneheight"` // the lowest block held; btcd never says it
}

func (c *Client) chainInfo(ctx context.Context) (chainInfo, error) {
	const method = "getblockchaininfo"
	var info chainInfo
	if err := c.call(ctx, &info, method); err != nil {
		return chainInfo{}, err
	}
	if info.Chain == "" || info.Blocks == nil {
		return chainInfo{}, fmt.Errorf("%s: %w: no chain or no height in it", method, ErrBadAnswer)
	}
	return info, nil
}

// Tip implements chain.Source by getblockchaininfo. The height is that of the
// best block that was validated, not of the best header.
func (c *Client) Tip(ctx context.Context) (chain.Tip, error) {
	info, err := c.chainInfo(ctx)
	if err != nil {
		return chain.Tip{}, err
	}
	return chain.Tip{Network: networkName(info.Chain), Height: *info.Blocks}, nil
}

// networkName turns btcd's names into bitcoind's; others stay, cut to a length
// fit for a log.
func networkName(name string) string {
	switch name {
	case "mainnet":
		return "main"
	case "testnet3":
		return "test"
	}
	return clip(name, 20)
}

// Block implements chain.Source by getblockhash and getblock. Numbers and not
// words decide that a block is pruned: to go on without one leaves a gap.
func (c *Client) Block(ctx context.Context, height uint32) ([]byte, error) {
	hash, err := c.BlockHash(ctx, height)
	if err != nil {
		return nil, err
	}
	var raw hexText
	if err := c.call(ctx, &raw, "getblock", hash.String(), 0); err != nil {
		if hasCode(err, codeMisc, codeNotFound) && c.isPruned(ctx, height) {
			return nil, fmt.Errorf("height %d: %w", height, chain.ErrPruned)
		}
		return nil, err
	}
	if len(raw) == 0 {
		return nil, fmt.Errorf("getblock: %w: no block in hex", ErrBadAnswer)
	}
	return raw, nil
}

// BlockHash implements chain.BlockHasher by getblockhash.
func (c *Client) BlockHash(ctx context.Context, height uint32) (chainhash.Hash, error) {
	var text string
	if err := c.call(ctx, &text, "getblockhash", height); err != nil {
		if hasCode(err, codeInvalidParameter, codeMisc) {
			return chainhash.Hash{}, fmt.Errorf("height %d: %w", height, chain.ErrNoBlock)
		}
		return chainhash.Hash{}, err
	}
	hash, err := chainhash.NewHashFromStrStrict(text)
	if err != nil {
		return chainhash.Hash{}, fmt.Errorf("getblockhash: %w: no hash", ErrBadAnswer)
	}
	return *hash, nil
}

// Header returns the header of a block that the node knows, also of one that is
// not on the best chain, by getblockheader. Of a block without one before it Prev
// is zero.
func (c *Client) Header(ctx context.Context, hash chainhash.Hash) (h chain.Header, err error) {
	const method = "getblockheader"
	var answer struct {
		Height *uint32 `json:"height"`
		Prev   string  `json:"previousblockhash"`
	}
	if err := c.call(ctx, &answer, method, hash.String(), true); err != nil {
		return h, err
	}
	if answer.Height == nil {
		return h, fmt.Errorf("%s: %w: no height in it", method, ErrBadAnswer)
	}
	h = chain.Header{Height: *answer.Height, Hash: hash}
	if err := chainhash.Decode(&h.Prev, answer.Prev); err != nil {
		return h, fmt.Errorf("%s: %w: no hash", method, ErrBadAnswer)
	}
	return h, nil
}

// isPruned says whether the node, which knows the block but does not give it,
// has thrown it away.
func (c *Client) isPruned(ctx context.Context, height uint32) bool {
	info, err := c.chainInfo(ctx)
	if err != nil || !info.Pruned {
		return false
	}
	return info.PruneHeight == nil || height < *info.PruneHeight
}

// Publish implements chain.Source by sendrawtransaction, with a fee of any
// height: a penalty often gives much of its output to the miner, and
// bitcoind's default maxfeerate (0.10 BTC/kvB) would refuse it.
func (c *Client) Publish(ctx context.Context, tx []byte) error {
	const method = "sendrawtransaction"
	var txid string
	text := hex.EncodeToString(tx)
	err := c.call(ctx, &txid, method, text, 0)
	if hasCode(err, codeType, codeInvalidParams) {
		// Before bitcoind 0.19 and btcd 0.22 the parameter was the flag
		// allowhighfees. Not remembered: a node may be upgraded.
		err = c.call(ctx, &txid, method, text, true)
	}
	if inMempool(err) || hasCode(err, codeConfirmed) {
		return nil
	}
	return err
}

// inMempool recognises btcd's refusal of what its mempool holds already;
// bitcoind simply accepts that again.
func inMempool(err error) bool {
	var e *RPCError
	return errors.As(err, &e) && e.Code == codeRejected &&
		strings.Contains(e.Message, "already have transaction")
}
