package chaintest

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
)

// Call names a method of chain.Source.
type Call int

// The methods of chain.Source.
const (
	TipCall Call = iota
	BlockCall
	PublishCall
	calls // how many there are
)

// Forever is a number of times that only Heal ends.
const Forever = -1

// fault is what befalls the next calls of one method, instead of or on the way
// to an answer.
type fault struct {
	times   int
	err     error
	stall   bool
	corrupt func([]byte) []byte
}

// Fail makes the next calls of a method fail with err. Faults of one method
// queue up: each begins when the one before it is used up.
func (c *Chain) Fail(call Call, times int, err error) {
	c.add(call, &fault{times: times, err: err})
}

// Stall makes the next calls of a method last until their ctx ends.
func (c *Chain) Stall(call Call, times int) {
	c.add(call, &fault{times: times, stall: true})
}

// Corrupt passes the bytes of the next blocks through f, which gets a copy.
func (c *Chain) Corrupt(times int, f func(raw []byte) []byte) {
	c.add(BlockCall, &fault{times: times, corrupt: f})
}

func (c *Chain) add(call Call, f *fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.times == 0 {
		return
	}
	c.faults[call] = append(c.faults[call], f)
}

// Heal ends all faults of a method but for the calls that stall already.
func (c *Chain) Heal(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[call] = nil
}

// SetNetwork makes Tip name another network than regtest.
func (c *Chain) SetNetwork(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.network = name
}

// Prune makes every block below height answer chain.ErrPruned.
func (c *Chain) Prune(height uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pruned = height
}

// Raw returns the serialised block at a height of the branch that ends in tip;
// found is false above that. Neither faults nor pruning befall it.
func (c *Chain) Raw(tip *chain.Block, height uint32) (raw []byte, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.all[tip.Hash]; e != nil; e = c.all[e.block.Prev] {
		if e.block.Height == height {
			return slices.Clone(e.raw), true
		}
	}
	return nil, false
}

// Refuse makes Publish ask judge about each transaction: an error refuses it,
// and is the answer. Nil accepts all again.
func (c *Chain) Refuse(judge func(chain.Tx) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if judge == nil {
		judge = func(chain.Tx) error { return nil }
	}
	c.refuse = judge
}

// Calls returns how often a method was called since New, faults included.
func (c *Chain) Calls(call Call) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[call]
}

// enter counts a call and lets its fault befall it.
func (c *Chain) enter(ctx context.Context, call Call) (fault, error) {
	f := c.take(call)
	if f.stall {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return f, err
	}
	return f, f.err
}

func (c *Chain) take(call Call) fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[call]++
	c.signal()
	queue := c.faults[call]
	if len(queue) == 0 {
		return fault{}
	}
	f := queue[0]
	if f.times--; f.times == 0 {
		c.faults[call] = queue[1:]
	}
	return *f
}

// Tip implements chain.Source.
func (c *Chain) Tip(ctx context.Context) (chain.Tip, error) {
	if _, err := c.enter(ctx, TipCall); err != nil {
		return chain.Tip{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return chain.Tip{Network: c.network, Height: c.tip().Height}, nil
}

// Block implements chain.Source.
func (c *Chain) Block(ctx context.Context, height uint32) ([]byte, error) {
	f, err := c.enter(ctx, BlockCall)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case uint64(height) >= uint64(len(c.best)):
		return nil, fmt.Errorf("height %d: %w", height, chain.ErrNoBlock)
	case height < c.pruned:
		return nil, fmt.Errorf("height %d: %w", height, chain.ErrPruned)
	case f.corrupt != nil:
		return f.corrupt(slices.Clone(c.best[height].raw)), nil
	}
	return slices.Clone(c.best[height].raw), nil
}

// Publish implements chain.Source.
func (c *Chain) Publish(ctx context.Context, raw []byte) error {
	if _, err := c.enter(ctx, PublishCall); err != nil {
		return err
	}
	tx, err := chain.ParseTx(slices.Clone(raw))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err = c.refuse(tx); err == nil {
		err = c.accept(tx)
	}
	c.published = append(c.published, Publication{Tx: tx, Err: err})
	c.signal()
	return err
}

// accept puts a transaction into the mempool unless it is there already.
func (c *Chain) accept(tx chain.Tx) error {
	for _, e := range c.best {
		if holds(e.block, tx.ID) {
			return ErrConfirmed
		}
	}
	if slices.ContainsFunc(c.mempool, hasID(tx.ID)) {
		return nil
	}
	msg := new(wire.MsgTx)
	if err := msg.Deserialize(bytes.NewReader(tx.Raw)); err != nil {
		return err
	}
	c.mempool = append(c.mempool, msg)
	return nil
}

func hasID(id chainhash.Hash) func(*wire.MsgTx) bool {
	return func(tx *wire.MsgTx) bool { return tx.TxHash() == id }
}
