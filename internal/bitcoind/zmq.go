package bitcoind

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/lightninglabs/gozmq"
)

const (
	zmqTopic = "hashblock"
	// zmqTimeout bounds a dial of ours, the rest of a message that has
	// begun, and how long gozmq sleeps after a reconnection that failed.
	zmqTimeout = 2 * time.Second
	// Waits between two connections.
	minWait = time.Second
	maxWait = time.Minute
)

// Hints calls wake at each block that bitcoind announces over ZMQ (its option
// zmqpubhashblock), and once at each connection, for what was missed before.
// It connects again until ctx ends, and returns then. wake must not block.
//
// A hint is never more than that: what it says is not even read, messages get
// lost, and a connection may die unnoticed. So the caller polls as well.
// Address forms are tcp://host:port, where an IPv6 address has to be a name
// (gozmq parses none), and unix:///path.
func Hints(ctx context.Context, log *slog.Logger, addr string, wake func()) {
	wait := minWait
	for ctx.Err() == nil {
		heard, err := listen(ctx, addr, wake)
		if ctx.Err() != nil {
			return
		}
		if heard {
			wait = minWait
		}
		log.Warn("no block hints from bitcoind over ZMQ, polling goes on",
			"error", clip(err.Error(), maxErrorText), "retry_in", wait)
		pause(ctx, wait)
		wait = min(2*wait, maxWait)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// listen holds one connection and says whether there was one.
func listen(ctx context.Context, addr string, wake func()) (bool, error) {
	conn, err := subscribe(ctx, addr)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	wake()
	for {
		// A timeout is gozmq's way to say that it has just reconnected, or
		// not: with a new connection of ours, the state is known.
		if _, err := conn.Receive(nil); err != nil {
			return true, err
		}
		wake()
	}
}

// subscribe dials first: gozmq would hang for a minute, whatever ctx says, on
// a host that does not answer.
func subscribe(ctx context.Context, addr string) (*gozmq.Conn, error) {
	network, host, ok := strings.Cut(addr, "://")
	if !ok || network != "tcp" && network != "unix" {
		return nil, errors.New("not a ZMQ address: use tcp://host:port or unix:///path")
	}
	dialer := net.Dialer{Timeout: zmqTimeout}
	probe, err := dialer.DialContext(ctx, network, host)
	if err != nil {
		return nil, err
	}
	probe.Close()
	return gozmq.Subscribe(addr, []string{zmqTopic}, zmqTimeout)
}
