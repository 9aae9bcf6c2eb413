package bitcoind

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// publisher is a ZMTP 3.0 publisher of one connection at a time.
type publisher struct {
	net.Listener
	subscribed chan net.Conn
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{l, make(chan net.Conn, 10)}
	var wg sync.WaitGroup
	wg.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return p
}

func (p *publisher) serve() {
	for {
		conn, err := p.Accept()
		if err != nil {
			return
		}
		if shakeHands(conn) != nil {
			conn.Close()
			continue
		}
		p.subscribed <- conn
	}
}

// shakeHands ends when the subscription is there.
func shakeHands(conn net.Conn) error {
	greeting := make([]byte, 64)
	copy(greeting, "\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x00NULL")
	ready := "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"
	if _, err := conn.Write(append(greeting, ready...)); err != nil {
		return err
	}
	const fromSubscriber = 64 + len("\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB") + len("\x00\x0a\x01hashblock")
	heard := make([]byte, fromSubscriber)
	_, err := io.ReadFull(conn, heard)
	if !bytes.HasSuffix(heard, []byte("\x01hashblock")) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// announce sends a message of bitcoind's three parts.
func announce(t *testing.T, conn net.Conn) {
	t.Helper()
	msg := "\x01\x09hashblock" + "\x01\x20" + strings.Repeat("\xaa", 32) + "\x00\x04\x01\x00\x00\x00"
	if _, err := io.WriteString(conn, msg); err != nil {
		t.Fatal(err)
	}
}

// within takes from a channel or fails the test.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	select {
	case v := <-c:
		return v
	case <-timeout.C:
		t.Fatal("no " + what)
		panic("unreachable")
	}
}

// hints is Hints or Await at work.
type hints struct {
	wakes chan struct{}
	logs  chan string
	done  chan struct{}
	end   context.CancelFunc
}

func (h hints) Write(line []byte) (int, error) {
	h.logs <- string(line)
	return len(line), nil
}

func startHints(addr string) hints {
	return start(NewSubscription(addr).Hints)
}

func start(run func(ctx context.Context, log *slog.Logger, wake func())) hints {
	ctx, cancel := context.WithCancel(context.Background())
	h := hints{make(chan struct{}, 10), make(chan string, 10), make(chan struct{}), cancel}
	go func() {
		defer close(h.done)
		log := slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
		run(ctx, log, func() { h.wakes <- struct{}{} })
	}()
	return h
}

func (h hints) stop(t *testing.T) {
	t.Helper()
	h.end()
	within(t, "end of Hints", h.done)
}

func TestHints(t *testing.T) {
	p := newPublisher(t)
	s := NewSubscription("tcp://" + p.Addr().String())
	if s.Trouble() == "" {
		t.Error("it says that it is connected, and was not started")
	}
	h := start(s.Hints)
	conn := within(t, "subscription", p.subscribed)
	within(t, "hint at the connection", h.wakes)
	if trouble := s.Trouble(); trouble != "" {
		t.Errorf("connected, it says %q", trouble)
	}
	for range 3 {
		announce(t, conn)
		within(t, "hint at a block", h.wakes)
	}
	p.Close()
	conn.Close()
	within(t, "warning of the end", h.logs)
	if s.Trouble() == "" {
		t.Error("it says that it is connected, and the publisher is gone")
	}
	h.stop(t)
}

func TestHintsConnectsAgain(t *testing.T) {
	p := newPublisher(t)
	h := startHints("tcp://" + p.Addr().String())
	defer h.stop(t)
	conn := within(t, "subscription", p.subscribed)
	within(t, "hint at the connection", h.wakes)
	io.WriteString(conn, "\xff\xff nonsense")
	conn = within(t, "second subscription", p.subscribed)
	t.Cleanup(func() { conn.Close() }) // after the end of the hints: gozmq connects again by itself, and that races with its own Close
	within(t, "hint at the second connection", h.wakes)
	announce(t, conn)
	within(t, "hint at a block", h.wakes)
}

func TestHintsWithoutAPublisher(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent.Close()
	for addr, want := range map[string]string{
		"tcp://" + silent.Addr().String():    "refused",
		"unix:///nonexistent":                "no such file",
		"127.0.0.1:1":                        "not a ZMQ address",
		"":                                   "not a ZMQ address",
		"ipc:///" + strings.Repeat("x", 1e6): "not a ZMQ address",
	} {
		s := NewSubscription(addr)
		h := start(s.Hints)
		if line := within(t, "warning", h.logs); !strings.Contains(line, want) || len(line) > 2*maxErrorText {
			t.Errorf("%.100s: %.1000s", addr, line)
		}
		if trouble := s.Trouble(); !strings.Contains(trouble, want) {
			t.Errorf("%.100s: it says %q", addr, trouble)
		}
		h.stop(t)
		if len(h.wakes) != 0 {
			t.Errorf("%.100s: woke", addr)
		}
	}
}
