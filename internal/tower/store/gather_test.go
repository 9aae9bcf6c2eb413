package store

import (
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// crowd is a store in which the appointments of two users lie side by side.
type crowd struct {
	*testing.T
	db   *DB
	many uint64
}

// leaver and stayer are the rows of the users.
const (
	leaver = 1
	stayer = 2
)

func newCrowd(t *testing.T, many uint64, leaves func(n uint64) bool) *crowd {
	t.Helper()
	c := &crowd{t, openFile(t, filepath.Join(t.TempDir(), "vigil.db")), many}
	c.db.keeper.stop()
	mustUpdate(c.T, c.db, func(tx tower.Tx) error {
		if err := tx.PutUser(gatekeeper.User{ID: teos.UserID{1}, Slots: 9, Expiry: 100}); err != nil {
			return err
		}
		return tx.PutUser(gatekeeper.User{ID: teos.UserID{2}, Slots: 9, Expiry: 1000})
	})
	mustUpdate(c.T, c.db, func(tx tower.Tx) error {
		for n := range many {
			user := int64(stayer)
			if leaves(n) {
				user = leaver
			}
			if _, err := tx.PutAppointment(c.appointment(n, user)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := c.db.remember(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *crowd) appointment(n uint64, user int64) watcher.Appointment {
	a := watcher.Appointment{UserRow: user, StartBlock: uint32(n)}
	a.Locator, a.EncryptedBlob, a.ToSelfDelay = locator(n), make([]byte, 300), uint32(n%7)
	a.EncryptedBlob[0] = byte(n)
	a.UserSignature[0], a.UserSignature[1] = 31, byte(n)
	return a
}

func (c *crowd) expire() {
	c.Helper()
	for users := int64(0); users == 0; {
		mustUpdate(c.T, c.db, func(tx tower.Tx) (err error) {
			_, users, err = tx.DropExpired(100)
			return err
		})
	}
}

// leave ends the subscription of the leaver and does what the keeper does.
func (c *crowd) leave() {
	c.Helper()
	c.expire()
	c.gatherAll()
	if err := c.db.giveBack(c.Context()); err != nil {
		c.Fatal(err)
	}
}

// rows returns where the stayer's appointments lie, and holds them against what was
// stored; there are some others, too.
func (c *crowd) rows(leaves func(n uint64) bool, others ...uint64) map[uint64]int64 {
	c.Helper()
	rows := map[uint64]int64{}
	err := c.db.View(c.Context(), func(tx tower.Tx) error {
		for n := range c.many {
			if leaves(n) {
				continue
			}
			a, err := tx.Appointment(stayer, locator(n))
			if err != nil {
				return err
			}
			rows[n], a.Row, a.Triggered = a.Row, 0, false
			if !reflect.DeepEqual(a, c.appointment(n, stayer)) {
				c.Errorf("appointment %d became %+v", n, a)
			}
		}
		for _, n := range others {
			if _, err := tx.Appointment(stayer, locator(n)); err != nil {
				return err
			}
		}
		ls, _, err := tx.Locators(stayer, 0, int(c.many))
		if len(ls) != len(rows)+len(others) {
			c.Errorf("%d locators are listed, of %d", len(ls), len(rows))
		}
		return err
	})
	if err != nil {
		c.Fatal(err)
	}
	return rows
}

func (c *crowd) pages() (n int) {
	c.Helper()
	err := c.db.View(c.Context(), func(x tower.Tx) error {
		_, err := x.(*tx).one("count pages", `PRAGMA page_count`, nil, []any{&n})
		return err
	})
	if err != nil {
		c.Fatal(err)
	}
	return n
}

// Where rows are few, the rest is moved, and the file gets smaller by what was
// deleted; nothing else changes, and no row is given twice.
func TestWhatDeletionsLeaveAmongOthersIsGivenBack(t *testing.T) {
	const many = 20 * rangeSize
	half := func(n uint64) bool { return n%2 == 0 }
	c := newCrowd(t, many, half)
	before := c.pages()
	c.leave()
	moved := 0
	for _, row := range c.rows(half) {
		if row > many {
			moved++
		}
	}
	if moved < many/2-2*rangeSize {
		t.Errorf("%d rows were moved of %d", moved, many/2)
	}
	if after := c.pages(); after > before*6/10+spare {
		t.Errorf("%d pages of %d are left, of half of the appointments", after, before)
	}
	if left := c.db.density.take(100); len(left) > 1 {
		t.Errorf("%d ranges have few rows still", len(left))
	}
}

// Where many are left, and where the deletions are new, nothing is moved.
func TestLittleIsNotGathered(t *testing.T) {
	fifth := func(n uint64) bool { return n%5 == 0 }
	c := newCrowd(t, 5*rangeSize, fifth)
	before := c.rows(fifth)
	c.leave()
	if after := c.rows(fifth); !maps.Equal(after, before) {
		t.Error("rows were moved")
	}
}

// What is noted under its row stays there.
func TestTrackersAreNotMoved(t *testing.T) {
	half := func(n uint64) bool { return n%2 == 0 }
	c := newCrowd(t, 4*rangeSize, half)
	before := c.rows(half)
	mustUpdate(c.T, c.db, func(tx tower.Tx) error {
		if err := tx.InsertTracker(responder.Tracker{Row: before[11]}); err != nil {
			return err
		}
		return tx.AddEvent(responder.Event{Row: before[21], Kind: "x"})
	})
	c.leave()
	after := c.rows(half)
	for _, n := range []uint64{11, 21} {
		if after[n] != before[n] {
			t.Errorf("%d was moved", n)
		}
	}
	if after[31] == before[31] {
		t.Error("nothing was moved")
	}
}

// gatherAll does what the keeper does until there is nothing to move.
func (c *crowd) gatherAll() {
	c.Helper()
	for more := true; more; {
		var err error
		if more, err = c.db.gather(c.Context()); err != nil {
			c.Fatal(err)
		}
	}
}

// TestWhatWasUndoneIsNoReasonToMove: a block that fails after it dropped what
// expired is tried again and again.
func TestWhatWasUndoneIsNoReasonToMove(t *testing.T) {
	half := func(n uint64) bool { return n%2 == 0 }
	c := newCrowd(t, 2*rangeSize, half)
	before := c.rows(half)
	undone := errors.New("undone")
	for range 3 {
		err := c.db.Update(t.Context(), func(tx tower.Tx) error {
			if _, _, err := tx.DropExpired(100); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		c.gatherAll()
	}
	if after := c.rows(half); !maps.Equal(after, before) {
		t.Error("appointments were moved though all that was beside them is still there")
	}
}

// TestAMoveIsBounded: by bytes, too, but for one that is larger.
func TestAMoveIsBounded(t *testing.T) {
	for size, want := range map[int]int{300: movedAtOnce, movedBytes / 4: 4, movedBytes/4 + 1: 3, movedBytes + 1: 1} {
		c := newCrowd(t, 0, nil)
		mustUpdate(c.T, c.db, func(tx tower.Tx) error {
			for n := range uint64(2 * movedAtOnce) {
				a := c.appointment(n, stayer)
				a.EncryptedBlob = make([]byte, size)
				if _, err := tx.PutAppointment(a); err != nil {
					return err
				}
			}
			return nil
		})
		mustUpdate(c.T, c.db, func(x tower.Tx) error {
			found, err := x.(*tx).movable(0, 1<<40)
			if len(found) != want {
				t.Errorf("%d are moved at once of blobs of %d bytes, want %d", len(found), size, want)
			}
			return err
		})
	}
}

// TestNothingIsMovedDuringABackup: what is written then stays in the log.
func TestNothingIsMovedDuringABackup(t *testing.T) {
	half := func(n uint64) bool { return n%2 == 0 }
	c := newCrowd(t, 4*rangeSize, half)
	c.expire()
	before := c.rows(half)
	c.db.backups.Add(1)
	c.gatherAll()
	if after := c.rows(half); !maps.Equal(after, before) {
		t.Error("appointments were moved")
	}
	c.db.backups.Add(-1)
	c.gatherAll()
	if after := c.rows(half); maps.Equal(after, before) {
		t.Error("nothing was moved after it")
	}
}
