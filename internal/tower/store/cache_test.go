package store

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

// What was read before does not cost the writer its page cache: as long as nobody
// reads again, it would read all that it needs from the file, for each request.
func TestReadersLeaveTheWriterItsCache(t *testing.T) {
	const changes = 400
	c := newCrowd(t, 40_000, func(uint64) bool { return false }) // 18 MB: more than all caches hold
	c.readAll()
	before := readCalls(t)
	for n := range changes {
		c.update(func(tx tower.Tx) error {
			return tx.PutUser(gatekeeper.User{ID: teos.UserID{3, byte(n), byte(n >> 8)}, Slots: 9, Expiry: 1000})
		})
	}
	if calls := readCalls(t) - before; calls > changes/10 {
		t.Errorf("for %d new users the file was read %d times", changes, calls)
	}
}

// readAll has each reader, whose turns come one after the other, read all
// appointments.
func (c *crowd) readAll() {
	c.Helper()
	for range readers {
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
