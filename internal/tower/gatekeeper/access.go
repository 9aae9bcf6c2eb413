package gatekeeper

import (
	"crypto/sha256"
	"errors"
	"math"
	"time"

	"vigil/internal/teos"
)

// Applicant is who wants to register.
type Applicant struct {
	ID      teos.UserID
	Dialect teos.Dialect
	// Token is that of an invitation, "" if none was shown.
	Token teos.Token
	// Trusted says that the operator himself registers this key.
	Trusted bool
}

// Admission says how a key came to be admitted.
type Admission struct {
	// Invitation is the row of the invitation; 0 if the operator allowed the
	// key.
	Invitation int64
	// Slots and Blocks are what a registration adds; 0 where the tower's
	// terms hold.
	Slots, Blocks uint32
}

// Invitation admits keys that show its token.
type Invitation struct {
	Row int64
	// Slots and Blocks are what a registration of its keys adds; 0 where the
	// tower's terms hold.
	Slots, Blocks uint32
	// Uses is how many keys it admits, Used how many it has.
	Uses, Used uint32
	Created    time.Time
	Note       string
}

// AccessStore is what the gatekeeper needs to know who may register.
type AccessStore interface {
	// Admission returns how a key was admitted; found is false if it was not.
	Admission(id teos.UserID) (a Admission, found bool, err error)
	// Invitation returns the one with a token's hash.
	Invitation(hash [sha256.Size]byte) (i Invitation, found bool, err error)
	// Admit admits a key through an invitation, one use of which is then
	// used up, or by the operator if invitation is 0.
	Admit(id teos.UserID, invitation int64, at time.Time, note string) error
	// Totals returns how many users there are and how many bytes their blobs
	// have.
	Totals() (users, bytes uint64, err error)
}

// errNotAdmitted is in the chain of a refusal that an operator may end: see
// IsKnock.
var errNotAdmitted = errors.New("not admitted")

// IsKnock tells whether a registration was refused because its key is not admitted.
func IsKnock(err error) bool { return errors.Is(err, errNotAdmitted) }

// admit returns what a registration of an applicant adds, or fails with
// teos.RegistrationRefused. Whoever has a subscription that is running was
// admitted once, and may renew until it lapses: nobody loses a tower because its
// operator closes the door behind him.
func (g *Gatekeeper) admit(s Store, a Applicant, u User, height uint32, now time.Time) (Admission, error) {
	admission, found, err := s.Admission(a.ID)
	if err != nil || found {
		return admission, err
	}
	if a.Token != "" {
		admission, found, err = g.invited(s, a, now)
		if err != nil || found {
			return admission, err
		}
	}
	switch {
	case a.Trusted:
		return Admission{}, s.Admit(a.ID, 0, now, "registered by the operator")
	case !g.terms.Invited || u.Row != 0 && height < u.Expiry:
		return Admission{}, nil
	}
	return Admission{}, errors.Join(teos.Errorf(teos.RegistrationRefused,
		"this tower serves whom its operator admits: ask for an invitation, or to allow your key").In(u.Dialect), errNotAdmitted)
}

func (g *Gatekeeper) invited(s Store, a Applicant, now time.Time) (Admission, bool, error) {
	i, found, err := s.Invitation(a.Token.Hash())
	if err != nil || !found || i.Used >= i.Uses {
		return Admission{}, false, err
	}
	return Admission{Invitation: i.Row, Slots: i.Slots, Blocks: i.Blocks}, true, s.Admit(a.ID, i.Row, now, "")
}

// fits fails with teos.RegistrationRefused where a subscription would be larger
// than the operator allows.
func (g *Gatekeeper) fits(s Store, u User, slots, expiry uint64, height uint32) error {
	t := g.terms
	refuse := func(format string, args ...any) error {
		return teos.Errorf(teos.RegistrationRefused, format, args...).In(u.Dialect)
	}
	switch {
	case slots > math.MaxUint32 || expiry > math.MaxUint32:
		return refuse("this subscription is as large as it can be")
	case t.MaxSlots > 0 && slots+u.Filled > uint64(t.MaxSlots):
		return refuse("you hold %d slots, and one user may hold %d: use those first", uint64(u.Slots)+u.Filled, t.MaxSlots)
	case t.MaxAhead > 0 && expiry > uint64(height)+uint64(max(t.MaxAhead, t.Duration)):
		return refuse("a subscription may last %d blocks from now, and yours holds until block %d: register again after the next block",
			max(t.MaxAhead, t.Duration), u.Expiry)
	case t.MaxUsers > 0 && u.Row == 0:
		users, _, err := s.Totals()
		if err == nil && users >= uint64(t.MaxUsers) {
			err = refuse("the tower is full: it takes %d users", t.MaxUsers)
		}
		return err
	}
	return nil
}

// hasRoom fails with teos.NoSlots, over which clients keep their appointment,
// where more bytes would be stored than the operator allows.
func (g *Gatekeeper) hasRoom(s Store, u User, more int64) error {
	if most := g.terms.MaxUserBytes; most > 0 && int64(u.Bytes)+more > most { //nolint:gosec // what a disk holds
		return teos.Errorf(teos.NoSlots, "you store %d bytes, and one user may store %d", u.Bytes, most).In(u.Dialect)
	}
	if g.terms.MaxBytes == 0 {
		return nil
	}
	_, stored, err := s.Totals()
	if err == nil && int64(stored)+more > g.terms.MaxBytes { //nolint:gosec // what a disk holds
		err = teos.Errorf(teos.NoSlots, "the tower is full: it stores %d bytes at most", g.terms.MaxBytes).In(u.Dialect)
	}
	return err
}
