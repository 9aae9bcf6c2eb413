package tests

import (
	"context"
	"log/slog"
	"testing"

	"vigil/internal/bitcoind"
	"vigil/tests/harness"
)

// Every node tells of its blocks without anything to configure, also after a restart.
func TestNodesTellOfBlocks(t *testing.T) {
	t.Parallel()
	onEachNode(t, func(t *testing.T, node *harness.Node, client *bitcoind.Client) {
		h := hear(t, client)
		h.wantBlock(node)
		node.Stop()
		harness.Until(h, "the node's end to be noticed", func() bool { return !h.client.Tells() })
		node.Start()
		h.wantBlock(node)
	})
}

// hearing is the product's client of a node, that hears of blocks until the test ends.
type hearing struct {
	*testing.T
	client *bitcoind.Client
	wakes  chan struct{}
}

func hear(t *testing.T, client *bitcoind.Client) *hearing {
	t.Helper()
	h, done := &hearing{t, client, make(chan struct{}, 100)}, make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() {
		defer close(done)
		client.Await(ctx, log, func() { h.wakes <- struct{}{} })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return h
}

// wantBlock mines a block once all is quiet, and wants to be told of it.
func (h *hearing) wantBlock(node *harness.Node) {
	h.Helper()
	harness.Until(h, "the node to tell", h.client.Tells)
	for len(h.wakes) > 0 {
		<-h.wakes
	}
	node.Mine(1)
	harness.Until(h, "the node to tell of its block", func() bool { return len(h.wakes) > 0 })
}
