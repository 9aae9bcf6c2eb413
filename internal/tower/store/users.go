package store

import (
	"database/sql"
	"errors"
	"fmt"
	"math"

	"vigil/internal/teos"
	"vigil/internal/tower/gatekeeper"
)

const userColumns = `id, public_key, dialect, available_slots, subscription_start, subscription_expiry,
	appointments, filled_slots, stored_bytes, since, last_appointment`

func scanUser(s scanner) (u gatekeeper.User, err error) {
	var key []byte
	err = s.Scan(&u.Row, &key, &u.Dialect, &u.Slots, &u.Start, &u.Expiry,
		&u.Appointments, &u.Filled, &u.Bytes, &u.Since, &u.LastAppointment)
	copy(u.ID[:], key)
	return u, err
}

// User implements gatekeeper.Store.
func (t *tx) User(id teos.UserID) (u gatekeeper.User, err error) {
	if u, ok, err := t.knownUser(id); ok || err != nil {
		return u, err
	}
	u, err = t.readUser(`WHERE public_key = ?`, id[:])
	if errors.Is(err, gatekeeper.ErrNoUser) {
		u.ID = id
	}
	return u, err
}

func (t *tx) readUser(where string, arg any) (u gatekeeper.User, err error) {
	err = t.all("read a user", `SELECT `+userColumns+` FROM users `+where, []any{arg}, func(rows *sql.Rows) (err error) {
		u, err = scanUser(rows)
		return err
	})
	if err == nil && u.Row == 0 {
		err = gatekeeper.ErrNoUser
	}
	if err == nil {
		t.know(u)
	}
	return u, err
}

// HasAppointments implements gatekeeper.Store.
func (t *tx) HasAppointments(userRow int64) (bool, error) {
	return t.one("look for appointments", `SELECT 1 FROM appointments WHERE user_id = ? LIMIT 1`,
		[]any{userRow}, []any{new(int)})
}

const (
	insertUser = `
		INSERT INTO users (public_key, dialect, available_slots, subscription_start, subscription_expiry,
			appointments, filled_slots, stored_bytes, since, last_appointment)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	// updateLoad is for whom the rest is so already: its index need not be written.
	updateLoad = `
		UPDATE users SET available_slots = ?, appointments = ?, filled_slots = ?, stored_bytes = ?, last_appointment = ?
		WHERE id = ? AND dialect = ? AND subscription_start = ? AND subscription_expiry = ? AND since = ?`
	updateUser = `
		UPDATE users SET dialect = ?, available_slots = ?, subscription_start = ?, subscription_expiry = ?,
			appointments = ?, filled_slots = ?, stored_bytes = ?, since = ?, last_appointment = ?
		WHERE id = ?`
)

// refundUser ends at the most slots, and at 0.
const refundUser = `
	UPDATE users SET available_slots = MIN(available_slots + ?2, ?3),
		appointments = MAX(appointments - ?4, 0), filled_slots = MAX(filled_slots - ?2, 0),
		stored_bytes = MAX(stored_bytes - ?5, 0)
	WHERE id = ?1`

// PutUser implements gatekeeper.Store.
func (t *tx) PutUser(u gatekeeper.User) error {
	row, err := t.putUser(u)
	if err != nil {
		t.memory.known.drop(u.ID) // if its row is gone, that is seen the next time
		return err
	}
	u.Row = row
	t.know(u)
	return nil
}

func (t *tx) putUser(u gatekeeper.User) (row int64, err error) {
	if u.Row == 0 {
		return t.insertUser(u)
	}
	n, err := t.exec("update what a user has", updateLoad,
		u.Slots, u.Appointments, u.Filled, u.Bytes, u.LastAppointment, u.Row, u.Dialect, u.Start, u.Expiry, u.Since)
	if err != nil || n == 1 {
		return u.Row, err
	}
	n, err = t.exec("update a user", updateUser, u.Dialect, u.Slots, u.Start, u.Expiry,
		u.Appointments, u.Filled, u.Bytes, u.Since, u.LastAppointment, u.Row)
	return u.Row, one(n, err, "update a user")
}

func (t *tx) insertUser(u gatekeeper.User) (int64, error) {
	r, err := t.result(insertUser, []any{u.ID[:], u.Dialect, u.Slots, u.Start, u.Expiry,
		u.Appointments, u.Filled, u.Bytes, u.Since, u.LastAppointment})
	if err != nil {
		return 0, fmt.Errorf("insert a user: %w", err)
	}
	t.grown.users++
	return r.LastInsertId()
}

// one makes a statement that must have hit one row fail where it did not.
func one(n int64, err error, what string) error {
	if err == nil && n != 1 {
		return fmt.Errorf("%s: %d rows instead of one", what, n)
	}
	return err
}

// Refund implements tower.UserStore.
func (t *tx) Refund(userRow int64, l gatekeeper.Load) error {
	n, err := t.exec("refund slots", refundUser, userRow, l.Slots, uint32(math.MaxUint32), l.Appointments, l.Bytes)
	t.Grow(-int64(l.Bytes)) //nolint:gosec // what a disk holds
	if err := one(n, err, "refund slots"); err != nil {
		return err
	}
	_, err = t.readUser(`WHERE id = ?`, userRow) // so that it stays known
	return err
}

// Grow implements gatekeeper.Store.
func (t *tx) Grow(bytes int64) { t.grown.bytes += bytes }

// dropAtOnce is how many expired appointments are dropped in one transaction: the
// writers behind it wait meanwhile.
const dropAtOnce = 5000

// expired are appointments that end with their subscription.
const expired = `
	SELECT id FROM appointments
	WHERE user_id IN (SELECT id FROM users WHERE subscription_expiry <= ?)
	  AND id NOT IN (SELECT id FROM trackers)
	LIMIT ?`

// DropExpired implements gatekeeper.Store.
func (t *tx) DropExpired(expiry uint32) (appointments, users int64, err error) {
	some, err := t.one("look for expired users", `SELECT 1 FROM users WHERE subscription_expiry <= ? LIMIT 1`,
		[]any{expiry}, []any{new(int)})
	if err != nil || !some {
		return 0, 0, err
	}
	loads := map[int64]gatekeeper.Load{}
	rows, err := t.expired(expiry, loads)
	if err != nil {
		return 0, 0, err
	}
	if err := t.dropAppointments(rows); err != nil {
		return 0, 0, err
	}
	// Who stays, for a breach or for what is dropped later, has them back.
	for user, load := range loads {
		if err := t.Refund(user, load); err != nil {
			return 0, 0, err
		}
	}
	users, err = t.exec("drop expired users", `
		DELETE FROM users
		WHERE subscription_expiry <= ?
		  AND NOT EXISTS (SELECT 1 FROM appointments WHERE user_id = users.id)`, expiry)
	t.grown.users -= users
	return int64(len(rows)), users, err
}

// expired lists the appointments to drop now and adds up each user's load.
func (t *tx) expired(expiry uint32, loads map[int64]gatekeeper.Load) (rows []int64, err error) {
	err = t.all("list expired appointments", `
		SELECT id, user_id, LENGTH(encrypted_blob) FROM appointments WHERE id IN (`+expired+`)`,
		[]any{expiry, dropAtOnce}, func(r *sql.Rows) error {
			var row, user int64
			var size int
			err := r.Scan(&row, &user, &size)
			rows, loads[user] = append(rows, row), loads[user].Plus(gatekeeper.LoadOf(size))
			return err
		})
	return rows, err
}

// Locators implements tower.UserStore.
func (t *tx) Locators(userRow, after int64, limit int) (ls []teos.Locator, last int64, err error) {
	err = t.all("list locators", `SELECT id, locator FROM appointments WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?`,
		[]any{userRow, after, limit}, func(rows *sql.Rows) error {
			var b []byte
			if err := rows.Scan(&last, &b); err != nil {
				return err
			}
			l, err := teos.LocatorFromBytes(b)
			ls = append(ls, l)
			return err
		})
	return ls, last, err
}
