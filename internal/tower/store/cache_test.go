package store

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

// What was read does not cost the writer its page cache: as long as nobody reads
// again, it would read all that it needs from the file, for each request. Not once
// either, nor where only some of the readers read.
func TestReadersLeaveTheWriterItsCache(t *testing.T) {
	const changes = 200
	for views, cycles := range map[int]int{1: 6, 3: 3} {
		c := newCrowd(t, 40_000, func(uint64) bool { return false }) // 18 MB: more than all caches hold
		id := teos.UserID{3}
		for cycle := range cycles {
			c.readAll(views)
			if err := c.db.disperse(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := readCalls(t)
			for range changes {
				binary.BigEndian.PutUint64(id[1:], binary.BigEndian.Uint64(id[1:])+1)
				mustUpdate(c.T, c.db, func(tx tower.Tx) error {
					return tx.PutUser(gatekeeper.User{ID: id, Slots: 9, Expiry: 1000})
				})
			}
			if calls := readCalls(t) - before; calls > changes {
				t.Errorf("%d readers, cycle %d: for %d new users the file was read %d times", views, cycle, changes, calls)
			}
		}
	}
}

// readAll has some readers, whose turns come one after the other, read all
// appointments.
func (c *crowd) readAll(views int) {
	c.Helper()
	for range views {
		err := c.db.View(c.Context(), func(tx tower.Tx) error {
			for n := range c.many {
				if _, err := tx.Appointment(stayer, locator(n)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			c.Fatal(err)
		}
	}
}

// readCalls is how often this process has asked its system to read.
func readCalls(t *testing.T) (calls int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip("this system does not count reads: ", err)
	}
	_, after, _ := strings.Cut(string(text), "syscr: ")
	if _, err := fmt.Sscan(after, &calls); err != nil {
		t.Fatal(err)
	}
	return calls
}
