package store

import (
	"crypto/sha256"
	"database/sql"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

// Admission implements gatekeeper.AccessStore.
func (t *tx) Admission(id teos.UserID) (a gatekeeper.Admission, found bool, err error) {
	found, err = t.one("look for an admission", `
		SELECT invitation_id, slots, blocks, refused, note FROM admissions WHERE public_key = ?`,
		[]any{id[:]}, []any{&a.Invitation, &a.Slots, &a.Blocks, &a.Refused, &a.Note})
	return a, found, err
}

const invitationColumns = `id, slots, blocks, uses, used, created_at, note`

func scanInvitation(s scanner) (i gatekeeper.Invitation, err error) {
	var created int64
	err = s.Scan(&i.Row, &i.Slots, &i.Blocks, &i.Uses, &i.Used, &created, &i.Note)
	i.Created = time.Unix(created, 0).UTC()
	return i, err
}

// Invitation implements gatekeeper.AccessStore.
func (t *tx) Invitation(hash [sha256.Size]byte) (i gatekeeper.Invitation, found bool, err error) {
	err = t.all("look for an invitation", `SELECT `+invitationColumns+` FROM invitations WHERE token_hash = ?`,
		[]any{hash[:]}, func(rows *sql.Rows) (err error) {
			found = true
			i, err = scanInvitation(rows)
			return err
		})
	return i, found, err
}

// Admit implements gatekeeper.AccessStore.
func (t *tx) Admit(id teos.UserID, a gatekeeper.Admission, at time.Time, note string) error {
	_, err := t.exec("admit a key", `
		INSERT INTO admissions (public_key, invitation_id, slots, blocks, admitted_at, note) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (public_key) DO UPDATE SET refused = 0, admitted_at = excluded.admitted_at,
			note = CASE excluded.note WHEN '' THEN note ELSE excluded.note END`,
		id[:], a.Invitation, a.Slots, a.Blocks, at.Unix(), note)
	if err != nil {
		return err
	}
	if err := t.DropKnock(id); err != nil || a.Invitation == 0 {
		return err
	}
	n, err := t.exec("use an invitation", `UPDATE invitations SET used = used + 1 WHERE id = ?`, a.Invitation)
	return one(n, err, "use an invitation")
}

// AddInvitation implements tower.AccessStore.
func (t *tx) AddInvitation(hash [sha256.Size]byte, i gatekeeper.Invitation) (row int64, err error) {
	_, err = t.one("add an invitation", `
		INSERT INTO invitations (token_hash, slots, blocks, uses, used, created_at, note)
		VALUES (?, ?, ?, ?, 0, ?, ?) RETURNING id`,
		[]any{hash[:], i.Slots, i.Blocks, i.Uses, i.Created.Unix(), i.Note}, []any{&row})
	return row, err
}

// DropInvitation implements tower.AccessStore.
func (t *tx) DropInvitation(row int64) (found bool, err error) {
	n, err := t.exec("end an invitation", `DELETE FROM invitations WHERE id = ?`, row)
	return n == 1, err
}

// Expel implements tower.AccessStore.
func (t *tx) Expel(id teos.UserID, at time.Time) error {
	_, err := t.exec("expel a key", `
		INSERT INTO admissions (public_key, invitation_id, slots, blocks, admitted_at, note, refused) VALUES (?, 0, 0, 0, ?, '', 1)
		ON CONFLICT (public_key) DO UPDATE SET refused = 1`, id[:], at.Unix())
	if err != nil {
		return err
	}
	return t.DropKnock(id)
}

// PutKnock implements tower.AccessStore.
func (t *tx) PutKnock(id teos.UserID, address string, at time.Time) error {
	_, err := t.exec("note a knock", `
		INSERT INTO knocks (public_key, address, first_at, last_at, times) VALUES (?1, ?2, ?3, ?3, 1)
		ON CONFLICT (public_key) DO UPDATE SET address = ?2, last_at = ?3, times = times + 1`,
		id[:], address, at.Unix())
	if err != nil {
		return err
	}
	_, err = t.exec("forget a knock", `
		DELETE FROM knocks WHERE (SELECT COUNT(*) FROM knocks) > ? AND id = (
			SELECT id FROM knocks WHERE address = (
				SELECT address FROM knocks GROUP BY address ORDER BY COUNT(*) DESC, MIN(last_at) LIMIT 1)
			ORDER BY last_at, id LIMIT 1)`, tower.MaxKnocks)
	return err
}

// DropKnock implements tower.AccessStore.
func (t *tx) DropKnock(id teos.UserID) error {
	_, err := t.exec("forget a knock", `DELETE FROM knocks WHERE public_key = ?`, id[:])
	return err
}

// Users implements tower.AccessStore.
func (t *tx) Users(q tower.PageQuery) ([]gatekeeper.User, error) {
	return listPage(t, "list users", `SELECT `+userColumns+` FROM users`, q, func(rows *sql.Rows) (gatekeeper.User, error) {
		return scanUser(rows)
	})
}

// Invitations implements tower.AccessStore.
func (t *tx) Invitations(q tower.PageQuery) ([]gatekeeper.Invitation, error) {
	return listPage(t, "list invitations", `SELECT `+invitationColumns+` FROM invitations`, q,
		func(rows *sql.Rows) (gatekeeper.Invitation, error) { return scanInvitation(rows) })
}

// Admitted implements tower.AccessStore.
func (t *tx) Admitted(q tower.PageQuery) ([]tower.Admitted, error) {
	return listPage(t, "list admitted keys", `SELECT id, public_key, invitation_id, refused, admitted_at, note FROM admissions`, q,
		func(rows *sql.Rows) (a tower.Admitted, err error) {
			var key []byte
			var at int64
			err = rows.Scan(&a.Row, &key, &a.Invitation, &a.Refused, &at, &a.Note)
			copy(a.User[:], key)
			a.At = time.Unix(at, 0).UTC()
			return a, err
		})
}

// Knocks implements tower.AccessStore.
func (t *tx) Knocks(q tower.PageQuery) ([]tower.Knock, error) {
	return listPage(t, "list knocks", `SELECT id, public_key, address, first_at, last_at, times FROM knocks`, q,
		func(rows *sql.Rows) (k tower.Knock, err error) {
			var key []byte
			var first, last int64
			err = rows.Scan(&k.Row, &key, &k.Address, &first, &last, &k.Times)
			copy(k.User[:], key)
			k.First, k.Last = time.Unix(first, 0).UTC(), time.Unix(last, 0).UTC()
			return k, err
		})
}

// listPage lists rows of a table by their ids.
func listPage[T any](t *tx, what, query string, q tower.PageQuery, scan func(*sql.Rows) (T, error)) (list []T, err error) {
	err = t.all(what, query+` WHERE id > ? ORDER BY id LIMIT ?`, []any{q.After, q.Limit}, func(rows *sql.Rows) error {
		entry, err := scan(rows)
		list = append(list, entry)
		return err
	})
	return list, err
}

// DropWatched implements tower.AccessStore.
func (t *tx) DropWatched(userRow int64, limit int) (load gatekeeper.Load, err error) {
	var rows []int64
	err = t.all("list a user's appointments", `
		SELECT id, LENGTH(encrypted_blob) FROM appointments
		WHERE user_id = ? AND id NOT IN (SELECT id FROM trackers) LIMIT ?`,
		[]any{userRow, limit}, func(r *sql.Rows) error {
			var row int64
			var size int
			err := r.Scan(&row, &size)
			rows, load = append(rows, row), load.Plus(gatekeeper.LoadOf(size))
			return err
		})
	if err != nil {
		return load, err
	}
	return load, t.dropAppointments(rows)
}

// DropUser implements tower.AccessStore.
func (t *tx) DropUser(row int64) error {
	n, err := t.exec("drop a user", `DELETE FROM users WHERE id = ?`, row)
	t.grown.users -= n
	return one(n, err, "drop a user")
}
