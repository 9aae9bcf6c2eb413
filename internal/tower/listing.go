package tower

import (
	"context"
	"errors"

	"vigil/internal/teos"
	"vigil/internal/tower/gatekeeper"
)

// ListStore lists what is stored, page by page: a page costs what is on it, however
// much there is.
type ListStore interface {
	// Listing returns appointments by ascending row. q.Limit may be MaxListed
	// and one more; owner is the row of q.User, 0 where that is nil.
	Listing(q ListingQuery, owner int64) ([]Listed, error)
}

// Listed is an appointment as the operator sees it: its blob is encrypted, so only
// its size says anything.
type Listed struct {
	Row     int64
	Locator teos.Locator
	User    teos.UserID
	// Size is that of the encrypted blob, in bytes.
	Size        int
	ToSelfDelay uint32
	StartBlock  uint32
	Triggered   bool
}

// Slots returns how many slots it fills.
func (l Listed) Slots() uint32 { return teos.Slots(l.Size) }

// MaxListed is how many appointments one page may have.
const MaxListed = 1000

// ListingQuery asks for appointments by ascending row: those that came first, or
// were not moved since, before the others.
type ListingQuery struct {
	// User and Locator, where they are not nil, are the only ones wanted.
	User    *teos.UserID
	Locator *teos.Locator
	// After is the row of the last one of the page before; 0 for the first
	// page.
	After int64
	// Limit is how many are wanted, 1 to MaxListed.
	Limit int
}

// Listing is a page of appointments.
type Listing struct {
	Appointments []Listed
	// More tells whether there is a next page.
	More bool
}

// Appointments returns a page of appointments. A user who is none is
// teos.NotFound.
func (t *Tower) Appointments(ctx context.Context, q ListingQuery) (page Listing, err error) {
	if q.Limit < 1 || q.Limit > MaxListed || q.After < 0 {
		return page, teos.Errorf(teos.WrongType, "limit must be 1 to %d, after the \"next\" of the page before", MaxListed)
	}
	q.Limit++
	err = t.met(t.store.View(ctx, func(tx Tx) error {
		owner, err := rowOf(tx, q.User)
		if err != nil {
			return err
		}
		page.Appointments, err = tx.Listing(q, owner)
		return err
	}))
	if page.More = len(page.Appointments) == q.Limit; page.More {
		page.Appointments = page.Appointments[:q.Limit-1]
	}
	return page, err
}

func rowOf(tx Tx, id *teos.UserID) (int64, error) {
	if id == nil {
		return 0, nil
	}
	u, err := tx.User(*id)
	if errors.Is(err, gatekeeper.ErrNoUser) {
		return 0, teos.Errorf(teos.NotFound, "no user has the key %v", *id)
	}
	return u.Row, err
}
