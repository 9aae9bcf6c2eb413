package mover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

// Findings is what was met while the rows were read.
type Findings struct {
	// NotTaken are rows that can't be kept, with why, at most MaxFindings.
	NotTaken []string
	// LeftUsers and LeftAppointments are how many there are of them.
	LeftUsers, LeftAppointments int
	// Oddities are appointments that are kept and are not what a tower would
	// accept, by what is odd.
	Oddities map[string]int

	users map[teos.UserID]bool
}

// MaxFindings bounds what is told of rows that can't be kept.
const MaxFindings = 100

func (f *Findings) leave(count *int, what string, err error) {
	*count++
	if len(f.NotTaken) < MaxFindings {
		f.NotTaken = append(f.NotTaken, fmt.Sprintf("%s: %v", what, err))
	}
}

func (f *Findings) odd(what string) { f.Oddities[what]++ }

var _ tower.Promises = (*Teos)(nil)

// Count returns how many users, appointments and trackers the store has.
func (s *Teos) Count(ctx context.Context) (users, appointments, trackers int, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM users),
		(SELECT COUNT(*) FROM appointments), (SELECT COUNT(*) FROM trackers)`).Scan(&users, &appointments, &trackers)
	return users, appointments, trackers, err
}

// Users implements tower.Promises. A slot is for each started 2,048 bytes, as
// here; only an empty blob fills none.
func (s *Teos) Users(ctx context.Context, f func(tower.PromisedUser) error) error {
	s.Findings = Findings{Oddities: map[string]int{}, users: map[teos.UserID]bool{}}
	rows, err := s.db.QueryContext(ctx, `
		SELECT u.user_id, available_slots, subscription_start, subscription_expiry,
		       COALESCE((SELECT SUM((LENGTH(encrypted_blob) + 2047) / 2048) FROM appointments a WHERE a.user_id = u.user_id), 0)
		FROM users u ORDER BY u.rowid`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := s.user(rows, f); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *Teos) user(rows *sql.Rows, f func(tower.PromisedUser) error) error {
	var u tower.PromisedUser
	var id []byte
	var slots, start, expiry any
	err := rows.Scan(&id, &slots, &start, &expiry, &u.Taken)
	if err == nil {
		u.ID, err = teos.UserIDFromBytes(id)
	}
	if err == nil {
		err = numbers(map[string]column{"slots": {slots, &u.Slots}, "subscription's start": {start, &u.Start}, "expiry": {expiry, &u.Expiry}})
	}
	if err != nil {
		s.leave(&s.LeftUsers, fmt.Sprintf("user %x", id), err)
		return nil
	}
	u.Dialect = teos.V2
	s.users[u.ID] = true
	return f(u)
}

// column is what stands in a column that should be a number, and where it goes.
type column struct {
	value any
	to    *uint32
}

// numbers reads columns, by what they are. SQLite keeps in them whatever it was
// given.
func numbers(columns map[string]column) error {
	for name, c := range columns {
		n, ok := c.value.(int64)
		if !ok || n < 0 || n > math.MaxUint32 {
			return fmt.Errorf("its %s is no whole number from 0 to 2^32-1: %.40q", name, fmt.Sprint(c.value))
		}
		*c.to = uint32(n)
	}
	return nil
}

// row is an appointment as the store has it, with its tracker if there is one.
type row struct {
	user, locator, blob, signature, dispute, penalty []byte
	// height is nil where there is no tracker.
	delay, start, height any
}

// Appointments implements tower.Promises. It must come after Users.
func (s *Teos) Appointments(ctx context.Context, f func(tower.Promised) error) error {
	rows, err := s.db.QueryContext(ctx, `
		SELECT a.user_id, a.locator, a.encrypted_blob, a.to_self_delay, a.user_signature, a.start_block,
		       t.dispute_tx, t.penalty_tx, t.height
		FROM appointments a LEFT JOIN trackers t ON t.UUID = a.UUID ORDER BY a.rowid`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		err := rows.Scan(&r.user, &r.locator, &r.blob, &r.delay, &r.signature, &r.start, &r.dispute, &r.penalty, &r.height)
		var p tower.Promised
		if err == nil {
			p, err = s.promised(r)
		}
		if err != nil {
			s.leave(&s.LeftAppointments, fmt.Sprintf("appointment %x of %x", r.locator, r.user), err)
			continue
		}
		if err := f(p); err != nil {
			return err
		}
	}
	return rows.Err()
}

var errNoUser = errors.New("its user is not there")

func (s *Teos) promised(r row) (p tower.Promised, err error) {
	if p.User, err = teos.UserIDFromBytes(r.user); err != nil {
		return p, err
	}
	if !s.users[p.User] {
		return p, errNoUser
	}
	if p.Locator, err = teos.LocatorFromBytes(r.locator); err != nil {
		return p, err
	}
	if p.UserSignature, err = teos.ParseSignature(string(r.signature)); err != nil {
		return p, err
	}
	if err := numbers(map[string]column{"to_self_delay": {r.delay, &p.ToSelfDelay}, "start block": {r.start, &p.StartBlock}}); err != nil {
		return p, err
	}
	// Not nil, which would not be stored: an empty blob is a promise, too.
	p.EncryptedBlob = append([]byte{}, r.blob...)
	s.look(p)
	s.tracker(&p, r)
	return p, nil
}

// look notes what a tower would not have accepted. It is kept all the same.
func (s *Teos) look(p tower.Promised) {
	if len(p.EncryptedBlob) < teos.MinBlobSize {
		s.odd("too small to hold a penalty")
	}
	if signer, err := teos.Recover(p.Message(), p.UserSignature); err != nil || signer != p.User {
		s.odd("not signed by its user")
	}
}

const unreadTracker = "with a tracker that can't be read: its breach is looked for again"

// tracker reads that of an appointment, if it has one.
func (s *Teos) tracker(p *tower.Promised, r row) {
	if r.height == nil {
		return
	}
	err := numbers(map[string]column{"tracker's height": {r.height, &p.Noted}})
	if err == nil {
		p.Dispute, err = chain.ParseTx(r.dispute)
	}
	if err == nil {
		p.Penalty, err = chain.ParseTx(r.penalty)
	}
	if err != nil {
		s.odd(unreadTracker)
	}
	p.Triggered = err == nil
}
