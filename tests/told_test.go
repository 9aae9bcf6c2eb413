package tests

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"vigil/internal/bitcoind"
	"vigil/tests/harness"
)

// Every node tells of its blocks without anything to configure, also after a restart.
func TestNodesTellOfBlocks(t *testing.T) {
	t.Parallel()
	for _, backend := range harness.Backends() {
		t.Run(backend.Name, func(t *testing.T) {
			t.Parallel()
			node := harness.StartNode(t, backend)
			wakes := await(t, node)
			within := time.After(time.Minute)
			next := func(what string) {
				t.Helper()
				select {
				case <-wakes:
				case <-within:
					t.Fatal("not told of " + what)
				}
			}
			next("the connection")
			for range 3 {
				node.Mine(1)
				next("a block")
			}
			node.Stop()
			node.Start()
			next("the connection after a restart")
			for len(wakes) > 0 {
				<-wakes
			}
			node.Mine(1)
			next("a block after a restart")
		})
	}
}

// await runs the product's client of a node until the test ends.
func await(t *testing.T, node *harness.Node) <-chan struct{} {
	t.Helper()
	client, err := bitcoind.New(bitcoind.Config{URL: node.URL(), CookieFile: node.Cookie(), Network: "regtest"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	wakes, done := make(chan struct{}, 100), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		client.Await(ctx, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})), func() { wakes <- struct{}{} })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return wakes
}
