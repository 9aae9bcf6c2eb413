package cln

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxEvents = 1024 // log lines and notifications waiting
	maxQueue  = maxEvents + 256
)

var errStalled = errors.New("lightningd does not read the plugin's stdout")

// outbox queues what goes to stdout, in order; one goroutine, write, owns
// stdout. While nobody reads stdout events are dropped and answers wait for
// room in their callers, stdin's reader among them. So that wait has an end:
// the outbox is then abandoned, and with it Run.
type outbox struct {
	texts   chan []byte
	stall   time.Duration // how long an answer waits for room
	lost    atomic.Int64  // events dropped since the last that was written
	closing chan struct{} // write what is queued, then end
	done    chan struct{} // write has ended
	gone    chan struct{} // nothing more will be written
	once    sync.Once
	err     error // set before gone is closed
}

func newOutbox(stall time.Duration) *outbox {
	return &outbox{
		texts:   make(chan []byte, maxQueue),
		stall:   stall,
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		gone:    make(chan struct{}),
	}
}

// answer queues an answer; it waits for room.
func (b *outbox) answer(text []byte) {
	timeout := time.NewTimer(b.stall)
	defer timeout.Stop()
	select {
	case b.texts <- text:
	case <-b.gone:
	case <-timeout.C:
		b.abandon(errStalled)
	}
}

// event queues a log line or a notification, or drops it where there is no
// room; some is kept for answers.
func (b *outbox) event(text []byte) {
	if len(b.texts) < maxEvents {
		select {
		case b.texts <- text:
			return
		default:
		}
	}
	b.lost.Add(1)
}

func (b *outbox) write(w io.Writer) {
	defer close(b.done)
	for {
		select {
		case text := <-b.texts:
			if !b.put(w, text) {
				return
			}
		case <-b.closing:
			b.drain(w)
			return
		}
	}
}

func (b *outbox) drain(w io.Writer) {
	for {
		select {
		case text := <-b.texts:
			if !b.put(w, text) {
				return
			}
		default:
			return
		}
	}
}

func (b *outbox) put(w io.Writer, text []byte) bool {
	if n := b.lost.Swap(0); n > 0 {
		text = append(logLine("unusual", fmt.Sprintf("%d log lines or notifications were dropped", n)), text...)
	}
	if _, err := w.Write(text); err != nil {
		b.abandon(fmt.Errorf("write to lightningd: %w", err))
		return false
	}
	return true
}

// abandon releases all who wait for room; what is queued may stay unwritten.
func (b *outbox) abandon(err error) {
	b.once.Do(func() {
		b.err = err
		close(b.gone)
	})
}

// close writes what is queued, for at most d. A write that hangs is left
// behind with its goroutine: the process is about to end.
func (b *outbox) close(d time.Duration) {
	close(b.closing)
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	select {
	case <-b.done:
	case <-b.gone:
	case <-timeout.C:
	}
	b.abandon(nil)
}
