package main

import (
	"fmt"
	"time"

	"vigil/internal/bitcoind"
	"vigil/tests/harness"
)

const (
	// missed is how many blocks the tower is away for, more than are recent;
	// each has so many transactions, of 250 bytes.
	missed   = 160
	blockTxs = 2500
)

// catchUp measures target 7: a tower that was away, and the node that delivers
// what it has missed by itself.
func (b *bench) catchUp() {
	node := harness.StartNode(b, backend())
	t := b.newTower(node)
	users := newUsers(8)
	txs := fund(node, blockTxs)
	b.settle(t, node.Height())
	b.register(t, users)
	b.load(t, 8, addRequests(t.address, newAdditions(users, 5000)), phase, nil)
	t.solo.Stop()

	b.say("a chain of %d blocks with %d transactions each", missed, blockTxs)
	from := node.Height()
	for i := range missed {
		if i%40 == 0 && i > 0 {
			b.say("%d of them", i)
		}
		node.MineBlock(txs...)
		txs = next(txs)
	}
	client := b.client(node)
	b.deliver(client, from+1, missed/10) // the node's own caches are warm for both, then
	size, source := b.deliver(client, from+1, missed)

	b.say("catching up")
	start := time.Now()
	b.launch(t)
	b.settle(t, from+missed)
	took := time.Since(start)
	share := source.Seconds() / took.Seconds()
	b.table.tell("7", fmt.Sprintf("%d blocks of %.1f MB, %d transactions: the source alone delivers", missed, float64(size)/missed/1e6, blockTxs),
		"%.1f blocks/s", missed/source.Seconds())
	b.table.hold("7", "catch-up after a start, start included", fmt.Sprintf("%.1f blocks/s = %.0f%%", missed/took.Seconds(), 100*share),
		"at least 80% of the source", share >= 0.8)
	b.table.tell("7", "peak memory of the catch-up", "%d MiB; CPU for each block %s",
		memory(t.pid, "VmHWM")/mib, short(t.cpu()/missed))
}

// deliver fetches blocks as the tower does and tells their size in bytes.
func (b *bench) deliver(c *bitcoind.Client, from, count int) (size int, took time.Duration) {
	b.Helper()
	start := time.Now()
	for height := from; height < from+count; height++ {
		raw, err := c.Block(b.ctx, uint32(height))
		b.check("fetch a block", err)
		size += len(raw)
	}
	return size, time.Since(start)
}
