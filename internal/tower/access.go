package tower

import (
	"context"
	"errors"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower/gatekeeper"
)

// AccessStore holds who may use the tower, page by page.
type AccessStore interface {
	// AddInvitation stores one and returns its row.
	AddInvitation(hash [32]byte, i gatekeeper.Invitation) (int64, error)
	// DropInvitation ends one; found is false if there is none. Whom it
	// admitted stays admitted.
	DropInvitation(row int64) (found bool, err error)
	// Invitations, Admitted, Knocks and Users list from a row on.
	Invitations(q PageQuery) ([]gatekeeper.Invitation, error)
	Admitted(q PageQuery) ([]Admitted, error)
	Knocks(q PageQuery) ([]Knock, error)
	Users(q PageQuery) ([]gatekeeper.User, error)
	// PutKnock notes that a key may not register and tried to; of more than
	// MaxKnocks the oldest go of the address that has the most.
	PutKnock(id teos.UserID, address string, at time.Time) error
	// DropKnock forgets it.
	DropKnock(id teos.UserID) error
	// DropWatched deletes up to so many of a user's appointments that have no
	// tracker, and returns their load. DropUser deletes a user without
	// appointments.
	DropWatched(userRow int64, limit int) (gatekeeper.Load, error)
	DropUser(row int64) error
}

// Admitted is a key that may register where not everybody may, or one that may
// not in any case.
type Admitted struct {
	Row  int64
	User teos.UserID
	// Refused says that it may not.
	Refused bool
	// Invitation is the row of the invitation that it showed; 0 if the
	// operator allowed it.
	Invitation int64
	At         time.Time
	Note       string
}

// Knock is a key that tried to register and may not.
type Knock struct {
	Row         int64
	User        teos.UserID
	Address     string
	First, Last time.Time
	Times       uint64
}

// Limits of what is kept and shown.
const (
	// MaxKnocks is how many knocks are kept.
	MaxKnocks = 1000
	// MaxPage is how many entries one page may have.
	MaxPage = 1000
	// MaxNote is how long a note may be, in bytes.
	MaxNote = 200
)

// PageQuery asks for a page of a list, in the order in which its entries came.
type PageQuery struct {
	// After is the row of the last entry of the page before; 0 for the first.
	After int64
	// Limit is how many are wanted, 1 to MaxPage.
	Limit int
}

// Page is a page of a list.
type Page[T any] struct {
	Entries []T
	// More tells whether there is a next page.
	More bool
}

func pageOf[T any](ctx context.Context, t *Tower, q PageQuery, list func(Tx, PageQuery) ([]T, error)) (p Page[T], err error) {
	if q.Limit < 1 || q.Limit > MaxPage || q.After < 0 {
		return p, teos.Errorf(teos.WrongType, "limit must be 1 to %d, after the \"next\" of the page before", MaxPage)
	}
	q.Limit++
	err = t.met(t.store.View(ctx, func(tx Tx) error {
		p.Entries, err = list(tx, q)
		return err
	}))
	if p.More = len(p.Entries) == q.Limit; p.More {
		p.Entries = p.Entries[:q.Limit-1]
	}
	return p, err
}

// Users returns a page of users, in the order in which they came.
func (t *Tower) Users(ctx context.Context, q PageQuery) (Page[gatekeeper.User], error) {
	return pageOf(ctx, t, q, Tx.Users)
}

// Invitations returns a page of the invitations that there are.
func (t *Tower) Invitations(ctx context.Context, q PageQuery) (Page[gatekeeper.Invitation], error) {
	return pageOf(ctx, t, q, Tx.Invitations)
}

// Admitted returns a page of the keys that were admitted.
func (t *Tower) Admitted(ctx context.Context, q PageQuery) (Page[Admitted], error) {
	return pageOf(ctx, t, q, Tx.Admitted)
}

// Knocks returns a page of the keys that may not register and tried to.
func (t *Tower) Knocks(ctx context.Context, q PageQuery) (Page[Knock], error) {
	return pageOf(ctx, t, q, Tx.Knocks)
}

// UserOf returns a user, or teos.NotFound.
func (t *Tower) UserOf(ctx context.Context, id teos.UserID) (u gatekeeper.User, err error) {
	err = t.met(t.store.View(ctx, func(tx Tx) error {
		u, err = tx.User(id)
		return noUser(err)
	}))
	return u, err
}

// Admissions returns what was decided about users, of those about whom anything was.
func (t *Tower) Admissions(ctx context.Context, users ...gatekeeper.User) (map[teos.UserID]gatekeeper.Admission, error) {
	decided := make(map[teos.UserID]gatekeeper.Admission)
	err := t.met(t.store.View(ctx, func(tx Tx) error {
		for _, u := range users {
			a, found, err := tx.Admission(u.ID)
			if err != nil {
				return err
			}
			if found {
				decided[u.ID] = a
			}
		}
		return nil
	}))
	return decided, err
}

func noUser(err error) error {
	if errors.Is(err, gatekeeper.ErrNoUser) {
		return teos.Errorf(teos.NotFound, "there is no user with this key")
	}
	return err
}

// Invite makes an invitation and returns its token, which is not kept.
func (t *Tower) Invite(ctx context.Context, i gatekeeper.Invitation) (teos.Token, int64, error) {
	token := teos.NewToken()
	i.Created = time.Now()
	err := t.wrote(t.store.Update(ctx, func(tx Tx) (err error) {
		i.Row, err = tx.AddInvitation(token.Hash(), i)
		return err
	}))
	return token, i.Row, err
}

// Uninvite ends an invitation. Whom it admitted stays admitted.
func (t *Tower) Uninvite(ctx context.Context, row int64) error {
	return t.wrote(t.store.Update(ctx, func(tx Tx) error {
		found, err := tx.DropInvitation(row)
		if err == nil && !found {
			err = teos.Errorf(teos.NotFound, "there is no invitation %d", row)
		}
		return err
	}))
}

// Allow admits a key, under the tower's terms if it is new. Again, it changes the
// note.
func (t *Tower) Allow(ctx context.Context, id teos.UserID, note string) error {
	return t.wrote(t.store.Update(ctx, func(tx Tx) error {
		return tx.Admit(id, gatekeeper.Admission{}, time.Now(), note)
	}))
}

// Disallow keeps a key out: it may use what it has, and neither register nor renew
// it any more, whoever else may. Again, it changes nothing.
func (t *Tower) Disallow(ctx context.Context, id teos.UserID) error {
	return t.wrote(t.store.Update(ctx, func(tx Tx) error { return tx.Expel(id, time.Now()) }))
}

// Renew extends a user's subscription; 0 stands for the tower's terms.
func (t *Tower) Renew(ctx context.Context, id teos.UserID, slots, blocks uint32) (u gatekeeper.User, err error) {
	err = t.update(ctx, func(tx Tx, height uint32) error {
		u, err = t.gatekeeper.Renew(tx, id, height, slots, blocks)
		return err
	})
	return u, err
}

// Removal is what became of a user that was removed.
type Removal struct {
	// Appointments are how many are not watched any more.
	Appointments uint64
	// Answering is how many breaches of the user are being answered: they and
	// the user stay until those are over.
	Answering uint64
}

// removeAtOnce is how many appointments go in one transaction: writers behind it
// wait meanwhile.
const removeAtOnce = 500

// Remove ends a user: its subscription and all that is watched for it, and keeps
// its key out. Breaches that are being answered are answered to their end. It goes by steps;
// where it is interrupted, the subscription is over already and what is left goes
// with the next blocks.
func (t *Tower) Remove(ctx context.Context, id teos.UserID) (r Removal, err error) {
	for more := true; more && err == nil; {
		err = t.wrote(t.store.Update(ctx, func(tx Tx) error {
			more, err = r.step(tx, id)
			return err
		}))
	}
	return r, err
}

func (r *Removal) step(tx Tx, id teos.UserID) (more bool, err error) {
	u, err := tx.User(id)
	if err != nil {
		return false, noUser(err)
	}
	if err := tx.Expel(id, time.Now()); err != nil {
		return false, err
	}
	load, err := tx.DropWatched(u.Row, removeAtOnce)
	if err != nil {
		return false, err
	}
	r.Appointments += load.Appointments
	if load.Appointments > 0 {
		if err := tx.Refund(u.Row, load); err != nil {
			return false, err
		}
	}
	r.Answering = u.Appointments - load.Appointments
	if load.Appointments == removeAtOnce || r.Answering > 0 {
		return load.Appointments > 0, end(tx, id)
	}
	return false, tx.DropUser(u.Row)
}

// end ends a user's subscription now: nothing more is accepted from it.
func end(tx Tx, id teos.UserID) error {
	u, err := tx.User(id)
	if err != nil {
		return err
	}
	tip, _, err := tx.Tip()
	if err != nil {
		return err
	}
	u.Expiry = min(u.Expiry, tip.Height)
	return tx.PutUser(u)
}

// knock notes who may not register and tried to, for the operator, who may then
// allow it. Strangers must not make the disk busy by it: what comes too often is
// left out.
func (t *Tower) knock(ctx context.Context, id teos.UserID, address string) {
	if !t.knocking.Allow() || t.admit() != nil {
		return
	}
	err := t.store.Update(ctx, func(tx Tx) error { return tx.PutKnock(id, address, time.Now()) })
	if err != nil {
		t.log.Debug("a knock was not noted", "err", err)
	}
}
