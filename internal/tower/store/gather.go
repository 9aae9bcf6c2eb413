package store

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
)

// Appointments lie in the order in which they came, those of many users side by
// side, and rows are only appended. So when some of the users go, their rows leave
// holes on pages that others hold, and SQLite gives no page back before about two
// thirds of what was on it and beside it are gone. Where much is, the keeper moves
// the rest to the end, as if it came now, and gives the pages back.

const (
	// rangeSize is how many rows are counted together.
	rangeSize = 1024
	// sparse is how many of them are left at most, in percent, where the rest is
	// moved: more would be much to write for little room.
	sparse = 70
	// movedAtOnce is how many rows are moved in one transaction, as others wait
	// for their turn, and gatheredAtOnce how many ranges are before the keeper
	// does something else.
	movedAtOnce    = 64
	gatheredAtOnce = 16
	// movedBytes is how many bytes of blobs are moved at once, or one blob.
	movedBytes = 256 << 10
	// gatherAgain is for how long nothing is moved after it failed: on a disk that
	// is full the room is for others.
	gatherAgain = 10 * time.Minute
)

// density counts the appointments of each range of rows. It decides nothing: what
// comes or goes while rows are counted may make it wrong by a few.
type density struct {
	mu   sync.Mutex
	rows map[int64]int
	last int64 // the last row that was added
}

// laid is that an appointment came to a row (1) or went from it (-1).
type laid struct {
	row int64
	by  int
}

// count counts what was committed.
func (d *density) count(all []laid) {
	for _, l := range all {
		if l.by > 0 {
			d.add(l.row)
		} else {
			d.drop(l.row)
		}
	}
}

// reset begins anew.
func (d *density) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows, d.last = map[int64]int{}, 0
}

func (d *density) add(row int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rows != nil {
		d.rows[row/rangeSize]++
		d.last = max(d.last, row)
	}
}

func (d *density) drop(row int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n, counted := d.rows[row/rangeSize]; counted {
		d.rows[row/rangeSize] = n - 1
	}
}

// take returns some ranges where rows are few, and forgets them. Rows are still
// added to the last range.
func (d *density) take(most int) (found []int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for r, n := range d.rows {
		if len(found) == most {
			break
		}
		if r < d.last/rangeSize && n <= rangeSize*sparse/100 {
			found = append(found, r)
			delete(d.rows, r)
		}
	}
	return found
}

// gather moves what is left of some ranges where rows are few to the end, and says
// whether there may be others. It takes half of the time at most, and none while a
// backup lasts: all that is written then stays in the log.
func (db *DB) gather(ctx context.Context) (more bool, err error) {
	if db.backups.Load() > 0 || !db.keeper.gathering.over() {
		return false, nil
	}
	defer func() { db.keeper.gathering.after(err, gatherAgain) }()
	ranges := db.density.take(gatheredAtOnce)
	for _, r := range ranges {
		for from, more := r*rangeSize, true; more; {
			began := time.Now()
			err := db.updateAlone(ctx, func(x tower.Tx) (err error) {
				from, more, err = x.(*tx).move(from, (r+1)*rangeSize)
				return err
			})
			if err != nil {
				return false, err
			}
			rest(ctx, time.Since(began))
		}
	}
	return len(ranges) == gatheredAtOnce, ctx.Err()
}

// rest waits for d, or for the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// move moves the first appointments among some rows to the end, and says where to go
// on. Those stay of which something else is noted under their row.
func (t *tx) move(from, to int64) (next int64, more bool, err error) {
	rows, err := t.movable(from, to)
	for _, row := range rows {
		if err == nil {
			err = t.moveOne(row)
		}
		next = row + 1
	}
	return next, len(rows) > 0, err
}

func (t *tx) movable(from, to int64) (found []int64, err error) {
	size := 0
	err = t.all("list appointments to move", `
		SELECT id, LENGTH(encrypted_blob) FROM appointments
		WHERE id >= ? AND id < ?
		  AND NOT EXISTS (SELECT 1 FROM trackers WHERE trackers.id = appointments.id)
		  AND NOT EXISTS (SELECT 1 FROM events WHERE appointment_id = appointments.id)
		ORDER BY id LIMIT ?`, []any{from, to, movedAtOnce}, func(rows *sql.Rows) error {
		var row int64
		var bytes int
		err := rows.Scan(&row, &bytes)
		if size += bytes; size <= movedBytes || len(found) == 0 {
			found = append(found, row)
		}
		return err
	})
	return found, err
}

func (t *tx) moveOne(row int64) error {
	a, err := t.AppointmentIn(row)
	if err != nil {
		return err
	}
	if err := t.DropAppointment(row); err != nil {
		return err
	}
	_, err = t.insertAppointment(a)
	return err
}

// keysAndRows are the locators of all appointments, each of which is counted where
// it lies.
func (d *density) keysAndRows() keys {
	return keys{
		count: `SELECT appointments FROM totals`,
		list: `SELECT locator, user_id, id FROM appointments WHERE (locator, user_id) > (?, ?)
			ORDER BY locator, user_id LIMIT ?`,
		size: teos.LocatorSize, first: []any{[]byte{}, 0},
		scan: func(rows *sql.Rows, into *[]byte) ([]any, error) {
			var locator []byte
			var user, row int64
			err := rows.Scan(&locator, &user, &row)
			*into = append(*into, locator...)
			d.add(row)
			return []any{locator, user}, err
		},
	}
}
