package store

import (
	"sync"
	"testing"
	"time"

	"vigil/internal/tower"
)

// Much is dropped in a commit of its own, whatever it would have shared one with,
// which is kept; a little is not run twice.
func TestMuchIsDroppedAlone(t *testing.T) {
	for many, wantRuns := range map[uint64]int{2 * fewAtOnce: 1, 2*fewAtOnce + 2: 2} {
		half := func(n uint64) bool { return n%2 == 0 }
		c := newCrowd(t, many, half)
		var writers sync.WaitGroup
		update := func(f func(tower.Tx) error) {
			writers.Go(func() {
				if err := c.db.Update(t.Context(), f); err != nil {
					t.Error(err)
				}
			})
		}
		queued := func(n int) {
			for waiting := -1; waiting < n; {
				c.db.line.mu.Lock()
				waiting = len(c.db.line.waiting)
				c.db.line.mu.Unlock()
			}
		}
		first, entered := make(chan struct{}), make(chan struct{})
		update(func(tower.Tx) error { close(entered); <-first; return nil })
		<-entered
		update(c.put(1_000_000))
		queued(1)
		runs := 0
		update(func(tx tower.Tx) error {
			runs++
			dropped, users, err := tx.DropExpired(100)
			if err == nil && (dropped != int64(many)/2 || users != 1) {
				t.Errorf("%d appointments and %d users are dropped", dropped, users)
			}
			return err
		})
		queued(2)
		update(c.put(1_000_001))
		queued(3)
		close(first)
		writers.Wait()
		c.rows(half, 1_000_000, 1_000_001)
		if runs != wantRuns {
			t.Errorf("%d appointments: it ran %d times", many/2, runs)
		}
	}
}

// Who comes again to be alone, and finds a batch of others open, is alone all the same: it
// is committed first.
func TestWhoMustBeAloneWaitsForNobody(t *testing.T) {
	c := newCrowd(t, 2*fewAtOnce+2, func(n uint64) bool { return n%2 == 0 })
	var writers sync.WaitGroup
	update := func(f func(tower.Tx) error) {
		writers.Go(func() {
			if err := c.db.Update(t.Context(), f); err != nil {
				t.Error(err)
			}
		})
	}
	entered := make(chan struct{})
	update(func(tx tower.Tx) error {
		close(entered)
		standIn(t, c.db, 2)
		return name("first")(tx)
	})
	<-entered
	runs := 0
	update(func(tx tower.Tx) error {
		if runs++; runs == 1 { // the batch is over with this, so that the next one is the last one's
			defer func() { <-time.After(2 * maxBatchTime) }()
		}
		_, _, err := tx.DropExpired(100)
		return err
	})
	standIn(t, c.db, 1)
	update(func(tx tower.Tx) error {
		standIn(t, c.db, 1)
		return name("last")(tx)
	})
	writers.Wait()
	if runs != 2 || !has(t, c.db, "first") || !has(t, c.db, "last") {
		t.Errorf("it ran %d times; first is kept: %v, last: %v", runs, has(t, c.db, "first"), has(t, c.db, "last"))
	}
}

func (c *crowd) put(n uint64) func(tower.Tx) error {
	return func(tx tower.Tx) error {
		_, err := tx.PutAppointment(c.appointment(n, stayer))
		return err
	}
}
