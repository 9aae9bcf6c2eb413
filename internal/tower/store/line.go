package store

import (
	"context"
	"sync"
)

// line is where writers stand until it is their turn, in the order in which they
// came. The turn is handed from one to the next: who has it may write.
type line struct {
	mu      sync.Mutex
	taken   bool
	closed  bool
	waiting []chan struct{}
	batch   *batch // that is open; whose turn it is has it
}

// enter waits for the turn. Where it fails, the caller has no turn.
func (l *line) enter(ctx context.Context) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	if !l.taken {
		l.taken = true
		l.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	l.waiting = append(l.waiting, mine)
	l.mu.Unlock()
	select {
	case <-mine:
	case <-ctx.Done():
		if l.leave(mine) {
			return ctx.Err()
		}
		<-mine // the turn was ours already, and with it the duty to go on
	}
	return l.open()
}

// open fails once the line is closed. Nobody closes it while another has the turn.
func (l *line) open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	return nil
}

// leave takes a waiter out of the line; it is too late where it returns false.
func (l *line) leave(mine chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting {
		if w == mine {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// hand gives the turn to the first who waits, if anybody does.
func (l *line) hand() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return false
	}
	close(l.waiting[0])
	l.waiting = l.waiting[1:]
	return true
}

// exit gives the turn up, to the first who waits if anybody does.
func (l *line) exit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.taken = false
		return
	}
	close(l.waiting[0])
	l.waiting = l.waiting[1:]
}

// close is for who has the turn: nobody gets it any more.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, w := range l.waiting {
		close(w)
	}
	l.waiting = nil
}
