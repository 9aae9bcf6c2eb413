package watchroom

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// patience is how long a visitor waits for a new answer before he gets the
	// last one, marked as old.
	patience = 2 * time.Second
	// askTimeout bounds one question to the tower.
	askTimeout = 10 * time.Second
	// leisure is how many times as long as a question took the next one is put
	// off: the tower spends at most a twentieth of one reader's time on visitors,
	// however many come.
	leisure = 20
)

// errSlow says that the tower did not answer in time.
var errSlow = errors.New("the tower does not answer now: its store or its disk is slow or hangs")

// memo is the last answer to a question. However many ask, the tower is asked once
// at a time, and not again for a while.
type memo[T any] struct {
	ask func(ctx context.Context) (T, error)
	// age is how old an answer may be, in any case; wait is how long a visitor
	// waits for one.
	age, wait time.Duration
	// turn lets one question be asked at a time, whatever memo it is of.
	turn chan struct{}
	work *sync.WaitGroup

	mu      sync.Mutex
	last    reading[T]
	next    time.Time     // when to ask again
	pending chan struct{} // closed when the question that is asked now has ended
}

// reading is an answer. Where err is set, value is the last one that was got at
// all, at the time at; zero before the first.
type reading[T any] struct {
	value T
	at    time.Time
	err   error
}

// get returns an answer that is new enough, or the last one with an error.
func (m *memo[T]) get(ctx context.Context) reading[T] {
	ctx, cancel := context.WithTimeout(ctx, m.wait)
	defer cancel()
	if pending := m.refresh(); pending != nil {
		select {
		case <-pending:
		case <-ctx.Done():
			m.mu.Lock()
			defer m.mu.Unlock()
			return reading[T]{m.last.value, m.last.at, errSlow}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// refresh begins to ask if it is time, and returns what to wait for; nil where the
// last answer will do.
func (m *memo[T]) refresh() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pending == nil && time.Now().After(m.next) {
		m.pending = make(chan struct{})
		m.work.Go(m.run)
	}
	return m.pending
}

// forget makes the next visitor ask anew.
func (m *memo[T]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = time.Time{}
}

func (m *memo[T]) run() {
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	began := time.Now()
	value, err := m.guarded(ctx)
	now := time.Now()

	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last.err = err; err == nil {
		m.last.value, m.last.at = value, now
	}
	m.next = now.Add(max(m.age, leisure*now.Sub(began)))
	close(m.pending)
	m.pending = nil
}

// guarded lets no panic of the tower's out: this goroutine is nobody's request.
func (m *memo[T]) guarded(ctx context.Context) (value T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a defect of ours: %v", r)
		}
	}()
	return m.ask(ctx)
}
