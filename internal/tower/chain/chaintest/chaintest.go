// Package chaintest is a chain backend in memory: it shows forks and faults
// that a real node can't be made to show. Its blocks are real in all that
// ParseBlock checks; it judges no transaction.
package chaintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
)

// ErrConfirmed is the answer to a transaction that the best chain holds.
var ErrConfirmed = errors.New("transaction is already in the best chain")

// Publication is one call of Publish that reached the backend.
type Publication struct {
	Tx  chain.Tx
	Err error // what the backend answered
}

// Chain is a chain.Source over branches of regtest blocks. Its zero value is
// of no use: see New. All methods may be called concurrently; the blocks and
// transactions that they return must not be changed.
type Chain struct {
	mu        sync.Mutex
	params    *chain.Params
	network   string
	all       map[chainhash.Hash]*entry
	best      []*entry // by height
	salt      uint32
	pruned    uint32
	mempool   []*wire.MsgTx
	published []Publication
	refuse    func(chain.Tx) error
	faults    [calls][]*fault
	counts    [calls]int
	changed   chan struct{} // closed at each change, then replaced
}

var _ chain.Source = (*Chain)(nil)

type entry struct {
	block *chain.Block
	raw   []byte
}

// New returns a chain that holds regtest's genesis block.
func New() *Chain {
	params, err := chain.ParamsFor("regtest")
	must(err)
	c := &Chain{
		params:  params,
		network: "regtest",
		all:     make(map[chainhash.Hash]*entry),
		refuse:  func(chain.Tx) error { return nil },
		changed: make(chan struct{}),
	}
	c.connect(chaincfg.RegressionNetParams.GenesisBlock)
	return c
}

// connect puts a block on top of the best branch.
func (c *Chain) connect(msg *wire.MsgBlock) *chain.Block {
	var buf bytes.Buffer
	must(msg.Serialize(&buf))
	b, err := c.params.ParseBlock(buf.Bytes())
	must(err)
	b.Height = uint32(len(c.best))
	e := &entry{block: b, raw: buf.Bytes()}
	c.all[b.Hash] = e
	c.best = append(c.best, e)
	c.signal()
	return b
}

func (c *Chain) signal() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Chain) tip() *chain.Block { return c.best[len(c.best)-1].block }

// Mine mines one block with txs on top of the best branch; they leave the
// mempool.
func (c *Chain) Mine(txs ...*wire.MsgTx) *chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mine(txs)
}

func (c *Chain) mine(txs []*wire.MsgTx) *chain.Block {
	c.salt++
	b := c.connect(NewBlock(c.tip().Hash, uint32(len(c.best)), c.salt, txs...))
	c.mempool = slices.DeleteFunc(c.mempool, func(tx *wire.MsgTx) bool {
		return holds(b, tx.TxHash())
	})
	return b
}

// MineEmpty mines n blocks that hold a coinbase only and returns the last.
func (c *Chain) MineEmpty(n int) *chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range n {
		c.mine(nil)
	}
	return c.tip()
}

// MineMempool mines one block with all that was published and accepted, in
// the order of publication.
func (c *Chain) MineMempool() *chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mine(slices.Clone(c.mempool))
}

func holds(b *chain.Block, id chainhash.Hash) bool {
	return slices.ContainsFunc(b.Txs, func(tx chain.Tx) bool { return tx.ID == id })
}

// Fork cuts the best branch back to height and returns the tip it had, for
// Switch. The next block mined starts a rival branch; before that, the chain
// has shrunk. The mempool stays as it is: what the branch had confirmed does
// not come back to it.
func (c *Chain) Fork(height uint32) *chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.tip()
	c.best = slices.Clip(c.best[:height+1])
	c.signal()
	return was
}

// Switch makes the branch that ends in tip the best, however long it is.
func (c *Chain) Switch(tip *chain.Block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.best = nil
	for e := c.all[tip.Hash]; e != nil; e = c.all[e.block.Prev] {
		c.best = append(c.best, e)
	}
	if len(c.best) == 0 {
		panic(fmt.Sprintf("chaintest: no block %v here", tip.Hash))
	}
	slices.Reverse(c.best)
	c.signal()
}

// At returns the block at a height of the best branch, whatever the faults.
func (c *Chain) At(height uint32) *chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.best[height].block
}

// Best returns the best branch's last block, whatever the faults.
func (c *Chain) Best() *chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tip()
}

// Published returns every transaction that reached the backend, in order,
// repeats and refused ones included.
func (c *Chain) Published() []Publication {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.published)
}

// Mempool returns the txids that wait for a block.
func (c *Chain) Mempool() []chainhash.Hash {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make([]chainhash.Hash, len(c.mempool))
	for i, tx := range c.mempool {
		ids[i] = tx.TxHash()
	}
	return ids
}

// DropMempool forgets what was published, as a restart or a full mempool does.
func (c *Chain) DropMempool() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mempool = nil
}

// AwaitCalls waits until a method was called n times since New; calls that
// stall count.
func (c *Chain) AwaitCalls(ctx context.Context, call Call, n int) error {
	return c.await(ctx, func() bool { return c.counts[call] >= n })
}

// AwaitPublished waits until a transaction reached the backend n times.
func (c *Chain) AwaitPublished(ctx context.Context, id chainhash.Hash, n int) error {
	return c.await(ctx, func() bool {
		seen := 0
		for _, p := range c.published {
			if p.Tx.ID == id {
				seen++
			}
		}
		return seen >= n
	})
}

// await waits for cond, which is called with mu held.
func (c *Chain) await(ctx context.Context, cond func() bool) error {
	for {
		c.mu.Lock()
		done, changed := cond(), c.changed
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
