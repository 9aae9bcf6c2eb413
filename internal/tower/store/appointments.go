package store

import (
	"database/sql"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/watcher"
)

const selectAppointment = `
	SELECT a.id, a.user_id, a.locator, a.encrypted_blob, a.to_self_delay, a.user_signature, a.start_block,
	       EXISTS (SELECT 1 FROM trackers WHERE trackers.id = a.id)
	FROM appointments a `

type scanner interface{ Scan(dest ...any) error }

func scanAppointment(s scanner) (watcher.Appointment, error) {
	var a watcher.Appointment
	var locator, signature []byte
	err := s.Scan(&a.Row, &a.UserRow, &locator, &a.EncryptedBlob, &a.ToSelfDelay, &signature, &a.StartBlock, &a.Triggered)
	if err != nil {
		return a, err
	}
	if a.Locator, err = teos.LocatorFromBytes(locator); err != nil {
		return a, err
	}
	a.UserSignature, err = teos.SignatureFromBytes(signature)
	return a, err
}

// Appointment implements watcher.Store.
func (t *tx) Appointment(userRow int64, l teos.Locator) (watcher.Appointment, error) {
	if !t.memory.locators.mayHave(l[:]) {
		return watcher.Appointment{}, watcher.ErrNoAppointment
	}
	return t.appointment(`WHERE a.locator = ? AND a.user_id = ?`, l[:], userRow)
}

// AppointmentIn implements watcher.Store.
func (t *tx) AppointmentIn(row int64) (watcher.Appointment, error) {
	return t.appointment(`WHERE a.id = ?`, row)
}

func (t *tx) appointment(where string, args ...any) (watcher.Appointment, error) {
	var a watcher.Appointment
	found := false
	err := t.all("read an appointment", selectAppointment+where, args, func(rows *sql.Rows) (err error) {
		found = true
		a, err = scanAppointment(rows)
		return err
	})
	if err == nil && !found {
		err = watcher.ErrNoAppointment
	}
	return a, err
}

// PutAppointment implements watcher.Store.
func (t *tx) PutAppointment(a watcher.Appointment) (int64, error) {
	if a.Row != 0 {
		n, err := t.exec("update an appointment", `
			UPDATE appointments SET encrypted_blob = ?, to_self_delay = ?, user_signature = ?, start_block = ?
			WHERE id = ?`, a.EncryptedBlob, a.ToSelfDelay, a.UserSignature[:], a.StartBlock, a.Row)
		return a.Row, one(n, err, "update an appointment")
	}
	t.memory.locators.add(a.Locator[:])
	return t.insertAppointment(a)
}

// insertAppointment inserts one whose locator the sieve has.
func (t *tx) insertAppointment(a watcher.Appointment) (int64, error) {
	r, err := t.result(`
		INSERT INTO appointments (locator, user_id, encrypted_blob, to_self_delay, user_signature, start_block)
		VALUES (?, ?, ?, ?, ?, ?)`,
		[]any{a.Locator[:], a.UserRow, a.EncryptedBlob, a.ToSelfDelay, a.UserSignature[:], a.StartBlock})
	if err != nil {
		return 0, fmt.Errorf("insert an appointment: %w", err)
	}
	t.grown.appointments++
	row, err := r.LastInsertId()
	t.laid = append(t.laid, laid{row, 1})
	return row, err
}

// DropAppointment implements tower.UserStore.
func (t *tx) DropAppointment(row int64) error {
	n, err := t.exec("drop an appointment", `DELETE FROM appointments WHERE id = ?`, row)
	t.grown.appointments -= n
	t.laid = append(t.laid, laid{row, -1})
	return one(n, err, "drop an appointment")
}

// fewAtOnce is how many appointments are dropped at once behind a savepoint: SQLite
// keeps what was on each page, again for each statement, in memory.
const fewAtOnce = 200

func (t *tx) dropAppointments(rows []int64) error {
	if len(rows) > fewAtOnce && t.batch.kept > 0 {
		return errAlone
	}
	for _, row := range rows {
		if err := t.DropAppointment(row); err != nil {
			return err
		}
	}
	return nil
}

const selectRows = `SELECT id FROM appointments WHERE locator = ?`

// RowsAt implements watcher.Store.
func (t *tx) RowsAt(ls []teos.Locator) ([]int64, error) {
	var found []int64
	for _, l := range t.memory.locators.pass(ls) {
		err := t.all("match appointments", selectRows, []any{l[:]}, func(rows *sql.Rows) error {
			var row int64
			err := rows.Scan(&row)
			found = append(found, row)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	// One transaction may have the same locator twice, as a palindrome.
	slices.Sort(found)
	return slices.Compact(found), nil
}

// setHash reads a hash from its 32 bytes.
func setHash(h *chainhash.Hash, b []byte) error { return h.SetBytes(b) }
