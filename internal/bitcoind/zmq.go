package bitcoind

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
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

// errZMQAddress says what an address of ZMQ may be.
var errZMQAddress = errors.New("not a ZMQ address: use tcp://host:port (an IPv6 address needs a name) or unix:///path")

// CheckZMQ fails for what can't be an address that Hints connects to. gozmq
// parses no IPv6 address, no name of a port and no path with a colon.
func CheckZMQ(addr string) error {
	network, at, _ := strings.Cut(addr, "://")
	switch network {
	case "unix":
		if at != "" && !strings.Contains(at, ":") {
			return nil
		}
	case "tcp":
		host, port, err := net.SplitHostPort(at)
		n, errPort := strconv.ParseUint(port, 10, 16)
		if err == nil && errPort == nil && n > 0 && !strings.ContainsAny(host, ":*/@ ") {
			return nil
		}
	}
	return errZMQAddress
}

// Subscription hears of blocks that bitcoind announces over ZMQ (its option
// zmqpubhashblock).
type Subscription struct {
	addr    string
	trouble atomic.Pointer[string] // nil while it is connected
}

// NewSubscription returns one to an address, which Hints connects to.
func NewSubscription(addr string) *Subscription {
	s := &Subscription{addr: addr}
	s.fail(errors.New("it has not been connected yet"))
	return s
}

func (s *Subscription) fail(err error) (reason string) {
	reason = clip(err.Error(), maxErrorText)
	s.trouble.Store(&reason)
	return reason
}

// Trouble says why there is no connection now, "" where there is one. Whether
// blocks come over it shows with the next one only.
func (s *Subscription) Trouble() string {
	if reason := s.trouble.Load(); reason != nil {
		return *reason
	}
	return ""
}

// Hints calls wake at each block that bitcoind announces, and once at each
// connection, for what was missed before.
// It connects again until ctx ends, and returns then. wake must not block.
//
// A hint is never more than that: what it says is not even read, messages get
// lost, and a connection may die unnoticed. So the caller polls as well.
// Address forms are tcp://host:port, where an IPv6 address has to be a name
// (gozmq parses none), and unix:///path.
func (s *Subscription) Hints(ctx context.Context, log *slog.Logger, wake func()) {
	wait := minWait
	for ctx.Err() == nil {
		heard, err := s.listen(ctx, wake)
		reason := s.fail(err)
		if ctx.Err() != nil {
			return
		}
		if heard {
			wait = minWait
		}
		log.Warn("no block hints from bitcoind over ZMQ, polling goes on",
			"error", reason, "retry_in", wait)
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
func (s *Subscription) listen(ctx context.Context, wake func()) (bool, error) {
	conn, err := subscribe(ctx, s.addr)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s.trouble.Store(nil)
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
	if err := CheckZMQ(addr); err != nil {
		return nil, err
	}
	network, host, _ := strings.Cut(addr, "://")
	dialer := net.Dialer{Timeout: zmqTimeout}
	probe, err := dialer.DialContext(ctx, network, host)
	if err != nil {
		return nil, err
	}
	probe.Close()
	return gozmq.Subscribe(addr, []string{zmqTopic}, zmqTimeout)
}
