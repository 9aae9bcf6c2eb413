package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/bitcoind"
	"vigil/internal/towerrpc"
)

// pollBitcoind is how often bitcoind is asked for a new block: a cheap call.
const pollBitcoind = 5 * time.Second

const aboutTower = `Runs a watchtower over bitcoind or btcd, without a Lightning node. It logs to
standard error and ends on SIGTERM or Ctrl-C. Without options it guards
mainnet channels over this machine's bitcoind.`

// towerCommand is `vigil tower`.
func towerCommand(ctx context.Context, args []string, out io.Writer) error {
	known := offered(standalone)
	conf, err := confFlags(args, known)
	if err != nil {
		return err
	}
	r, err := parseFlags("tower", aboutTower, append(conf, args...), append(known, confOption), nil, out)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if r["data-dir"], err = dataDir(r); err != nil {
		return err
	}
	s, err := resolve(r, "--")
	if err != nil {
		return err
	}
	return runStandalone(ctx, s)
}

func runStandalone(ctx context.Context, s settings) error {
	if s.node == nil {
		s.node = &bitcoind.Config{Network: s.network}
	}
	node, err := bitcoind.New(*s.node)
	if err != nil {
		return err
	}
	defer node.Close()
	if err := begins(ctx, s, node); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: s.level}))
	w := newWatch(s, log)
	zmq := s.subscription()
	d := &daemon{
		settings: s, log: log, source: w.source(bitcoindName, node), poll: pollBitcoind, tryOut: node.TestAccept, watch: w,
		key: func(context.Context) (*btcec.PrivateKey, error) {
			return ownKey(s.dataDir)
		},
		zmq: zmq, hints: blockHints(node, zmq, log), tells: node.Tells,
		ready: func(*towerrpc.Client) {},
	}
	watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop() // after the tower, so that its end can be seen
	watching.Go(func() { w.run(watchCtx, log) })
	err = d.run(ctx)
	if err == nil {
		log.Info("the tower has stopped")
	}
	return err
}

// subscription is to bitcoind's ZMQ where that is named, else nil.
func (s settings) subscription() *bitcoind.Subscription {
	if s.zmq == "" {
		return nil
	}
	return bitcoind.NewSubscription(s.zmq)
}

// blockHints is how the tower hears of blocks before it asks: over ZMQ where there is
// an address, else by a call in which bitcoind waits for the next one. In a node
// without a bitcoind of its own (nil), lightningd tells of them.
func blockHints(node *bitcoind.Client, zmq *bitcoind.Subscription, log *slog.Logger) func(context.Context, func()) {
	return func(ctx context.Context, wake func()) {
		switch {
		case zmq != nil:
			zmq.Hints(ctx, log, wake)
		case node != nil:
			node.Await(ctx, log, wake)
		default:
			<-ctx.Done()
		}
	}
}
