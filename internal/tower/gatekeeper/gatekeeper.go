// Package gatekeeper decides who may use the tower: users, subscriptions,
// slots and expiry. Its rules run inside a transaction of its caller and keep
// nothing in memory.
package gatekeeper

import (
	"cmp"
	"errors"
	"math"
	"time"

	"vigil/internal/teos"
)

// ErrNoUser is what a Store answers for a key that is not registered.
var ErrNoUser = errors.New("no such user")

// User is a registered key and its subscription.
type User struct {
	// Row is the store's own name for the user; 0 before it is stored.
	Row     int64
	ID      teos.UserID
	Dialect teos.Dialect
	// Slots that are not filled.
	Slots uint32
	// Start and Expiry are block heights; from Expiry on nothing more is
	// accepted.
	Start, Expiry uint32
	// Appointments are how many it has, Filled the slots that they fill, Bytes
	// what their blobs have.
	Appointments, Filled, Bytes uint64
	// Since is the time of the first registration, LastAppointment that of the
	// last one that was accepted, in Unix seconds; 0 where it is not known.
	Since, LastAppointment int64
}

// Load is what appointments take of a subscription.
type Load struct {
	Appointments, Slots, Bytes uint64
}

// LoadOf is the load of one appointment with a blob of a size in bytes.
func LoadOf(size int) Load {
	return Load{1, uint64(teos.Slots(size)), uint64(size)} //nolint:gosec // a size
}

// Plus adds loads up.
func (l Load) Plus(m Load) Load {
	return Load{l.Appointments + m.Appointments, l.Slots + m.Slots, l.Bytes + m.Bytes}
}

// Store is what the gatekeeper needs of a transaction.
type Store interface {
	AccessStore
	// User returns the user with this key, or ErrNoUser.
	User(id teos.UserID) (User, error)
	// HasAppointments tells whether a user has any appointment.
	HasAppointments(userRow int64) (bool, error)
	// PutUser inserts a user whose Row is 0, else replaces that row.
	PutUser(u User) error
	// Grow notes that so many bytes more are stored in all.
	Grow(bytes int64)
	// DropExpired deletes the appointments of each user whose Expiry is at
	// or below a height, but those with a tracker, and then each such user
	// that has no appointment left; one that stays gets the slots of what
	// was deleted back. It returns how many of both are gone.
	DropExpired(expiry uint32) (appointments, users int64, err error)
}

// Terms are the operator's.
type Terms struct {
	// Slots that a registration adds.
	Slots uint32
	// Duration is how many blocks a registration adds.
	Duration uint32
	// Grace is for how many blocks after its end a subscription's
	// appointments are still watched.
	Grace uint32
	// Invited says that only who is admitted may register.
	Invited bool
	// MaxUsers is how many users there may be, MaxSlots how many slots one may
	// hold, filled ones included, MaxAhead for how many blocks from now a
	// subscription may last (as long as a registration adds, at least),
	// MaxBytes and MaxUserBytes how many bytes of blobs are stored, in all and
	// for one user; 0 for no limit. What would pass MaxSlots or MaxAhead is cut.
	MaxUsers, MaxSlots, MaxAhead uint32
	MaxBytes, MaxUserBytes       int64
}

// Gatekeeper applies the operator's terms.
type Gatekeeper struct{ terms Terms }

// New returns a Gatekeeper.
func New(t Terms) *Gatekeeper { return &Gatekeeper{terms: t} }

// Register starts or extends a subscription at a height, and notes the dialect
// that the user speaks from now on, if it has no appointments in another. Slots and
// expiry both grow, always: the clients of v2 refuse a receipt where they did not.
// Where the applicant is not admitted, or slots, expiry or users would pass a limit
// or 2^32-1, it fails with teos.RegistrationRefused and changes nothing.
func (g *Gatekeeper) Register(s Store, a Applicant, height uint32, now time.Time) (User, error) {
	u, err := s.User(a.ID)
	if errors.Is(err, ErrNoUser) {
		u, err = User{ID: a.ID, Dialect: a.Dialect, Start: height, Since: now.Unix()}, nil
	}
	if err != nil {
		return User{}, err
	}
	admission, err := g.admit(s, a, u, height, now)
	if err != nil {
		return User{}, err
	}
	return g.extend(s, u, a.Dialect, height, cmp.Or(admission.Slots, g.terms.Slots), cmp.Or(admission.Blocks, g.terms.Duration))
}

// Renew extends the subscription of a user as the operator wants it; 0 stands for
// the tower's terms.
func (g *Gatekeeper) Renew(s Store, id teos.UserID, height, slots, blocks uint32) (User, error) {
	u, err := s.User(id)
	if errors.Is(err, ErrNoUser) {
		return User{}, teos.Errorf(teos.NotFound, "there is no user with this key")
	}
	if err != nil {
		return User{}, err
	}
	return g.extend(s, u, u.Dialect, height, cmp.Or(slots, g.terms.Slots), cmp.Or(blocks, g.terms.Duration))
}

// dialect returns the dialect of a user who registers in one. A registration is
// not signed, so anybody can send one for any key; and a client that gets the
// other dialect's receipts takes the tower for a cheat and leaves it for good.
// So the dialect stays while there are appointments.
func dialect(s Store, u User, d teos.Dialect) (teos.Dialect, error) {
	if u.Row == 0 || u.Dialect == d {
		return d, nil
	}
	bound, err := s.HasAppointments(u.Row)
	if bound {
		return u.Dialect, err
	}
	return d, err
}

// Authenticate returns the user who signed a message, if it is registered and
// its subscription is not over at a height.
func (g *Gatekeeper) Authenticate(s Store, signer teos.UserID, height uint32) (User, error) {
	u, err := s.User(signer)
	if errors.Is(err, ErrNoUser) {
		return User{}, teos.Errorf(teos.AuthenticationFailed,
			"no user has this signature: register first, and sign with the registered key")
	}
	if err != nil {
		return User{}, err
	}
	if height >= u.Expiry {
		return User{}, teos.Errorf(teos.SubscriptionOver,
			"the subscription ended at block %d: register again", u.Expiry).In(u.Dialect)
	}
	return u, nil
}

// Charge exchanges the load of an appointment for that of its update; a new
// appointment had none. It fails with teos.NoSlots and changes nothing where the
// slots or the bytes that are allowed don't suffice. Slots that are given back end
// at 2^32-1, as in a refund: an update must never be refused for being smaller.
func (g *Gatekeeper) Charge(s Store, u User, had, needs Load, now time.Time) (User, error) {
	free := uint64(u.Slots) + had.Slots
	if free < needs.Slots {
		return User{}, teos.Errorf(teos.NoSlots,
			"the appointment takes %d slots and %d are free: register again for more", needs.Slots, free).In(u.Dialect)
	}
	if needs.Bytes > had.Bytes {
		if err := g.hasRoom(s, u, int64(needs.Bytes-had.Bytes)); err != nil { //nolint:gosec // a blob
			return User{}, err
		}
	}
	u.Slots = uint32(min(free-needs.Slots, math.MaxUint32))
	u.Carry(had, needs)
	u.LastAppointment = now.Unix()
	s.Grow(int64(needs.Bytes) - int64(had.Bytes)) //nolint:gosec // blobs
	return u, s.PutUser(u)
}

// Carry exchanges one load for another in what a user has stored. A count that was
// wrong must not be what an appointment fails over: it ends at 0.
func (u *User) Carry(had, has Load) {
	u.Appointments = exchange(u.Appointments, had.Appointments, has.Appointments)
	u.Filled = exchange(u.Filled, had.Slots, has.Slots)
	u.Bytes = exchange(u.Bytes, had.Bytes, has.Bytes)
}

func exchange(n, had, has uint64) uint64 { return max(n+has, had) - had }

// Expire ends what is over at a height: subscriptions past their grace. What
// answers a breach stays until the breach is resolved, and its user with it.
func (g *Gatekeeper) Expire(s Store, height uint32) (appointments, users int64, err error) {
	if height < g.terms.Grace {
		return 0, 0, nil
	}
	return s.DropExpired(height - g.terms.Grace)
}
