package gatekeeper

import (
	"cmp"
	"crypto/sha256"
	"errors"
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

// Admission says how a key came to be admitted, or that it must not be.
type Admission struct {
	// Refused says that the operator keeps the key out.
	Refused bool
	// Invitation is the row of the invitation; 0 if the operator allowed the
	// key.
	Invitation int64
	// Slots and Blocks are what a registration adds; 0 where the tower's
	// terms hold.
	Slots, Blocks uint32
	// Note is the operator's, as is an invitation's.
	Note string
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
	// Admission returns what was decided about a key; found is false if
	// nothing was.
	Admission(id teos.UserID) (a Admission, found bool, err error)
	// Invitation returns the one with a token's hash.
	Invitation(hash [sha256.Size]byte) (i Invitation, found bool, err error)
	// Admit admits a key through an invitation, one use of which is then
	// used up, or by the operator if a.Invitation is 0. A key that has been
	// decided about keeps its terms, and its note if that is "", and is not
	// refused any more.
	Admit(id teos.UserID, a Admission, at time.Time, note string) error
	// Expel has a key refused from now on.
	Expel(id teos.UserID, at time.Time) error
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
	admission, decided, err := s.Admission(a.ID)
	if err != nil || decided && !admission.Refused {
		return admission, err
	}
	if a.Trusted {
		return admission, s.Admit(a.ID, admission, now, cmp.Or(admission.Note, "registered by the operator"))
	}
	if admission.Refused {
		return Admission{}, notAdmitted(u.Dialect)
	}
	if admission, invited, err := g.invited(s, a, now); err != nil || invited {
		return admission, err
	}
	if !g.terms.Invited || u.Row != 0 && height < u.Expiry {
		return Admission{}, nil
	}
	return Admission{}, notAdmitted(u.Dialect)
}

func notAdmitted(d teos.Dialect) error {
	return errors.Join(teos.Errorf(teos.RegistrationRefused,
		"this tower serves whom its operator admits: ask for an invitation, or to allow your key").In(d), errNotAdmitted)
}

func (g *Gatekeeper) invited(s Store, a Applicant, now time.Time) (admission Admission, found bool, err error) {
	if a.Token == "" {
		return Admission{}, false, nil
	}
	i, found, err := s.Invitation(a.Token.Hash())
	if err != nil || !found || i.Used >= i.Uses {
		return Admission{}, false, err
	}
	admission = Admission{Invitation: i.Row, Slots: i.Slots, Blocks: i.Blocks, Note: i.Note}
	return admission, true, s.Admit(a.ID, admission, now, i.Note)
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
