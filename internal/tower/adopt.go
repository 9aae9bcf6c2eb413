package tower

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// Promises is what another tower has promised under this tower's key.
type Promises interface {
	// Users and Appointments call f with each of them, and stop where it
	// fails. Users come first.
	Users(ctx context.Context, f func(PromisedUser) error) error
	Appointments(ctx context.Context, f func(Promised) error) error
}

// PromisedUser is a user of the other tower.
type PromisedUser struct {
	gatekeeper.User
	// Taken is how many slots its appointments fill there.
	Taken uint64
}

// Promised is an appointment that the other tower accepted.
type Promised struct {
	User teos.UserID
	// Appointment has no rows; it is Triggered where there is a breach.
	watcher.Appointment
	// Dispute and Penalty are those of a breach that the other tower was
	// answering, noted at a height: that need not be the dispute's.
	Dispute, Penalty chain.Tx
	Noted            uint32
}

// Adoption is what is to be taken over.
type Adoption struct {
	Promises
	// Base is a block that the other tower had processed. The tower goes on
	// with the one after it, so it should lie so far back that what
	// befell each breach that is open lies after it.
	Base chain.Header
	// Dry undoes everything at the end.
	Dry bool
}

// Adopted counts what was taken over, and what was there before.
type Adopted struct {
	NewUsers, RenewedUsers, KnownUsers int
	New, Updated, Known, Over          int
	Breaches                           int
	FromHeight                         uint32 // the next block to process
	TakenBack                          bool   // blocks that were processed are processed again
}

// AdoptStore is what an adoption needs beside what the other parts do.
type AdoptStore interface {
	// Settled calls f with each appointment whose breach is over.
	Settled(f func(user teos.UserID, l teos.Locator)) error
}

// errDry undoes a transaction that was to be tried only.
var errDry = errors.New("not for good")

// Adopt takes over what another tower promised, in one transaction, before the
// tower runs. Users keep what they have and appointments their signatures and
// start blocks, so that receipts stay valid. Again, it takes what is new only.
func (t *Tower) Adopt(ctx context.Context, a Adoption) (Adopted, error) {
	in := adopter{Adoption: a}
	err := t.store.Update(ctx, func(tx Tx) error {
		in.tx = tx
		if err := in.adopt(ctx); err != nil {
			return err
		}
		if a.Dry {
			return errDry
		}
		return nil
	})
	if a.Dry && errors.Is(err, errDry) {
		err = nil
	}
	return in.Adopted, err
}

type adopter struct {
	Adoption
	Adopted
	tx Tx
	// known are users that were there before, renewed those of them whom the
	// other tower promised more.
	known   map[teos.UserID]bool
	renewed []PromisedUser
	settled map[settled]bool
}

type settled struct {
	user    teos.UserID
	locator teos.Locator
}

func (a *adopter) adopt(ctx context.Context) error {
	a.known, a.settled = map[teos.UserID]bool{}, map[settled]bool{}
	err := a.tx.Settled(func(user teos.UserID, l teos.Locator) { a.settled[settled{user, l}] = true })
	if err != nil {
		return err
	}
	if err := a.Users(ctx, a.user); err != nil {
		return err
	}
	if err := a.Appointments(ctx, a.appointment); err != nil {
		return err
	}
	for _, u := range a.renewed {
		if err := a.renew(u); err != nil {
			return err
		}
	}
	return a.goBack()
}

// user takes a user over as it is, and admits it for as long as it wants to stay.
// Slots only grow with the expiry, so one whose subscription lasts as long here has
// all that it was promised.
func (a *adopter) user(u PromisedUser) error {
	have, err := a.tx.User(u.ID)
	switch {
	case errors.Is(err, gatekeeper.ErrNoUser):
		a.NewUsers++
		if err := a.admit(u.ID); err != nil {
			return err
		}
		return a.tx.PutUser(u.User)
	case err != nil:
		return err
	}
	a.known[u.ID] = true
	if u.Expiry > have.Expiry {
		a.RenewedUsers++
		a.renewed = append(a.renewed, u)
	} else {
		a.KnownUsers++
	}
	return nil
}

func (a *adopter) admit(id teos.UserID) error {
	if _, found, err := a.tx.Admission(id); err != nil || found {
		return err
	}
	return a.tx.Admit(id, gatekeeper.Admission{}, time.Now(), "came with another tower")
}

// renew gives a user who was here before what it was promised since: all slots
// together, free or filled, are as many as in the tower where they are more.
func (a *adopter) renew(u PromisedUser) error {
	have, err := a.tx.User(u.ID)
	if err != nil {
		return err
	}
	if all := uint64(u.Slots) + u.Taken; all > uint64(have.Slots)+have.Filled {
		have.Slots = uint32(min(all-have.Filled, math.MaxUint32))
	}
	have.Expiry = u.Expiry
	return a.tx.PutUser(have)
}

func (a *adopter) appointment(p Promised) error {
	u, err := a.tx.User(p.User)
	if err != nil {
		return fmt.Errorf("the user of appointment %v: %w", p.Locator, err)
	}
	if a.settled[settled{p.User, p.Locator}] {
		a.Over++
		return nil
	}
	have, err := a.tx.Appointment(u.Row, p.Locator)
	had := gatekeeper.LoadOf(len(have.EncryptedBlob))
	switch {
	case errors.Is(err, watcher.ErrNoAppointment):
		had = gatekeeper.Load{}
	case err != nil:
		return err
	case have.UserSignature == p.UserSignature || have.StartBlock >= p.StartBlock || have.Triggered:
		a.Known++
		return a.breach(p, have)
	}
	taken := p.Appointment
	taken.Row, taken.UserRow = have.Row, u.Row
	if err := a.charge(u, had, gatekeeper.LoadOf(len(taken.EncryptedBlob))); err != nil {
		return err
	}
	if taken.Row, err = a.tx.PutAppointment(taken); err != nil {
		return err
	}
	if had == (gatekeeper.Load{}) {
		a.New++
	} else {
		a.Updated++
	}
	taken.Triggered = false
	return a.breach(p, taken)
}

// charge notes what an appointment takes. Its slots are those of a user who was
// here before; of a new one they were taken there. A promise is kept also where they
// don't suffice.
func (a *adopter) charge(u gatekeeper.User, had, needs gatekeeper.Load) error {
	if a.known[u.ID] {
		free := uint64(u.Slots) + had.Slots
		u.Slots = uint32(min(free-min(free, needs.Slots), math.MaxUint32))
	}
	u.Carry(had, needs)
	a.tx.Grow(int64(needs.Bytes) - int64(had.Bytes)) //nolint:gosec // blobs
	return a.tx.PutUser(u)
}

// breach goes on with the answer to a breach. Every block after the base judges
// it, whenever the other tower noted it.
func (a *adopter) breach(p Promised, stored watcher.Appointment) error {
	if !p.Triggered || stored.Triggered {
		return nil
	}
	a.Breaches++
	if err := responder.Track(a.tx, stored.Row, p.Dispute, p.Noted, p.Penalty); err != nil {
		return err
	}
	tr, err := a.tx.Tracker(stored.Row)
	if err != nil {
		return err
	}
	tr.Judged = a.Base.Height
	return a.tx.PutTracker(tr)
}

// goBack makes the base the tip, unless the tip lies below it or nothing new was
// taken: what is new must meet every block that the other tower may not have seen.
func (a *adopter) goBack() error {
	tip, found, err := a.tx.Tip()
	if err != nil {
		return err
	}
	a.FromHeight = tip.Height + 1
	if found && (a.New+a.Updated+a.Breaches == 0 || tip.Height <= a.Base.Height) {
		return nil
	}
	if found {
		a.TakenBack = true
		if err := undo(a.tx, a.Base.Height); err != nil {
			return err
		}
	}
	a.FromHeight = a.Base.Height + 1
	if _, has, err := a.tx.Header(a.Base.Height); err != nil || has {
		return err
	}
	return a.tx.PutBlock(&chain.Block{Height: a.Base.Height, Hash: a.Base.Hash, Prev: a.Base.Prev}, false)
}
