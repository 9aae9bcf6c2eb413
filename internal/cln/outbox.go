package cln

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxEvents = 1024 // log lines waiting
	maxQueue  = maxEvents + 256
)

var errGone = errors.New("lightningd reads no more of the plugin")

var errStalled = errors.New("lightningd does not read the plugin's stdout")

// outbox queues what goes to stdout, in order; one goroutine, write, owns
// stdout. While nobody reads stdout events are dropped and answers wait for
// room in their callers, stdin's reader among them. So that wait has an end:
// the outbox is then abandoned, and with it Run.
type outbox struct {
	texts   chan entry
	stall   time.Duration // how long an answer waits for room
	lost    atomic.Int64  // log lines dropped since the last that was written
	closing chan struct{} // write what is queued, then end
	done    chan struct{} // write has ended
	gone    chan struct{} // nothing more will be written
	once    sync.Once
	err     error // set before gone is closed
}

// entry is one text on its way out. written is closed once it is, unless nil.
type entry struct {
	text    []byte
	written chan<- struct{}
}

func newOutbox(stall time.Duration) *outbox {
	return &outbox{
		texts:   make(chan entry, maxQueue),
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
	case b.texts <- entry{text: text}:
	case <-b.gone:
	case <-timeout.C:
		b.abandon(errStalled)
	}
}

// notice queues a notification and returns once it is written. It waits for
// room, and then for the writing, until ctx ends.
func (b *outbox) notice(ctx context.Context, text []byte) error {
	written := make(chan struct{})
	select {
	case b.texts <- entry{text, written}:
	case <-b.gone:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-written:
		return nil
	case <-b.gone:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// event queues a log line, or drops it where there is no room; some is kept for
// answers.
func (b *outbox) event(text []byte) {
	if len(b.texts) < maxEvents {
		select {
		case b.texts <- entry{text: text}:
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
		case next := <-b.texts:
			if !b.put(w, next) {
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
		case next := <-b.texts:
			if !b.put(w, next) {
				return
			}
		default:
			return
		}
	}
}

func (b *outbox) put(w io.Writer, next entry) bool {
	text := next.text
	if n := b.lost.Swap(0); n > 0 {
		text = append(logLine("unusual", fmt.Sprintf("%d log lines were dropped", n)), text...)
	}
	if _, err := w.Write(text); err != nil {
		b.abandon(fmt.Errorf("write to lightningd: %w", err))
		return false
	}
	if next.written != nil {
		close(next.written)
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
