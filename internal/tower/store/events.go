package store

import (
	"database/sql"
	"math"
	"time"

	"vigil/internal/tower"
	"vigil/internal/tower/responder"
)

// Limits of what is kept of what happened.
const (
	// maxHistory is how many events of one breach are kept before what the
	// backend says of its penalty takes the place of what it said before:
	// that may change with each try. All else comes from the chain, and is
	// always kept.
	maxHistory = 64
	// maxEvents are kept in all, the newest; cutEvents is how many of those
	// beyond it one block's transaction deletes.
	maxEvents = 100_000
	cutEvents = 5_000
)

// AddEvent implements responder.Store.
func (t *tx) AddEvent(e responder.Event) error {
	repeats := uint32(0)
	if e.Kind == responder.EventAccepted || e.Kind == responder.EventRefused {
		var err error
		if repeats, err = t.mergeEvents(e.Row); err != nil {
			return err
		}
	}
	_, err := t.exec("keep an event", `
		INSERT INTO events (at, height, kind, appointment_id, locator, detail, repeats)
		VALUES (?, ?, ?, ?, (SELECT locator FROM appointments WHERE id = ?), ?, ?)`,
		time.Now().Unix(), e.Height, e.Kind, e.Row, e.Row, e.Detail, repeats)
	return err
}

// mergeEvents makes room for what the backend says of a penalty, and returns how
// much it said before that is not kept any more.
func (t *tx) mergeEvents(row int64) (repeats uint32, err error) {
	full, err := t.one("count events", `SELECT 1 FROM events WHERE appointment_id = ? LIMIT 1 OFFSET ?`,
		[]any{row, maxHistory - 1}, []any{new(int)})
	if err != nil || !full {
		return 0, err
	}
	found, err := t.one("merge events", `
		DELETE FROM events WHERE id = (
			SELECT MAX(id) FROM events WHERE appointment_id = ? AND kind IN (?, ?))
		RETURNING repeats`, []any{row, responder.EventAccepted, responder.EventRefused}, []any{&repeats})
	if err != nil || !found {
		return 0, err
	}
	return repeats + 1 - repeats/math.MaxUint32, nil
}

const selectEvents = `SELECT id, at, height, kind, appointment_id, locator, detail, repeats FROM events `

func (t *tx) events(what, where string, args ...any) ([]tower.Event, error) {
	var found []tower.Event
	err := t.all(what, selectEvents+where, args, func(rows *sql.Rows) error {
		var e tower.Event
		var at int64
		var locator []byte
		err := rows.Scan(&e.ID, &at, &e.Height, &e.Kind, &e.Row, &locator, &e.Detail, &e.Repeats)
		e.At = time.Unix(at, 0).UTC()
		copy(e.Locator[:], locator)
		found = append(found, e)
		return err
	})
	return found, err
}

// Events implements tower.EventStore.
func (t *tx) Events(before int64, limit int) ([]tower.Event, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return t.events("list events", `WHERE id < ? ORDER BY id DESC LIMIT ?`, before, limit)
}

// EventsAfter implements tower.EventStore.
func (t *tx) EventsAfter(id int64, limit int) ([]tower.Event, error) {
	return t.events("list new events", `WHERE id > ? ORDER BY id LIMIT ?`, id, limit)
}

// History implements tower.EventStore.
func (t *tx) History(row int64) ([]tower.Event, error) {
	return t.events("list the events of a breach", `WHERE appointment_id = ? ORDER BY id`, row)
}

// LastEvent implements tower.EventStore.
func (t *tx) LastEvent() (id int64, err error) {
	_, err = t.one("find the last event", `SELECT seq FROM sqlite_sequence WHERE name = 'events'`, nil, []any{&id})
	return id, err
}

// CutEvents implements tower.EventStore.
func (t *tx) CutEvents() error {
	_, err := t.exec("cut events", `
		DELETE FROM events WHERE id IN (
			SELECT id FROM events WHERE id <= (SELECT MAX(id) FROM events) - ? ORDER BY id LIMIT ?)`,
		maxEvents, cutEvents)
	return err
}
