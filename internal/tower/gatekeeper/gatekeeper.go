// Package gatekeeper decides who may use the tower: users, subscriptions,
// slots and expiry. Its rules run inside a transaction of its caller and keep
// nothing in memory.
package gatekeeper

import (
	"errors"
	"math"

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
}

// Store is what the gatekeeper needs of a transaction.
type Store interface {
	// User returns the user with this key, or ErrNoUser.
	User(id teos.UserID) (User, error)
	// HasAppointments tells whether a user has any appointment.
	HasAppointments(userRow int64) (bool, error)
	// PutUser inserts a user whose Row is 0, else replaces that row.
	PutUser(u User) error
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
}

// Gatekeeper applies the operator's terms.
type Gatekeeper struct{ terms Terms }

// New returns a Gatekeeper.
func New(t Terms) *Gatekeeper { return &Gatekeeper{terms: t} }

// Register starts or extends a subscription at a height, and notes the dialect
// that the user speaks from now on, if it has no appointments in another. Slots and expiry both grow, always: the
// clients of v2 refuse a receipt where they did not. Where either would pass
// 2^32-1 it fails with teos.RegistrationRefused and changes nothing.
func (g *Gatekeeper) Register(s Store, id teos.UserID, d teos.Dialect, height uint32) (User, error) {
	u, err := s.User(id)
	if errors.Is(err, ErrNoUser) {
		u, err = User{ID: id, Dialect: d, Start: height}, nil
	}
	if err != nil {
		return User{}, err
	}
	if u.Expiry <= height {
		u.Start = height
	}
	slots := uint64(u.Slots) + uint64(g.terms.Slots)
	expiry := uint64(max(u.Expiry, height)) + uint64(g.terms.Duration)
	if slots > math.MaxUint32 || expiry > math.MaxUint32 {
		return User{}, teos.Errorf(teos.RegistrationRefused,
			"this subscription is as large as it can be").In(u.Dialect)
	}
	u.Slots, u.Expiry = uint32(slots), uint32(expiry)
	if u.Dialect, err = dialect(s, u, d); err != nil {
		return User{}, err
	}
	return u, s.PutUser(u)
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

// Charge exchanges the slots of an appointment for those of its update; a new
// appointment had none. It fails with teos.NoSlots and changes nothing where
// they don't suffice. Slots that are given back end at 2^32-1, as in a refund:
// an update must never be refused for being smaller.
func (g *Gatekeeper) Charge(s Store, u User, had, needs uint32) (User, error) {
	free := uint64(u.Slots) + uint64(had)
	if free < uint64(needs) {
		return User{}, teos.Errorf(teos.NoSlots,
			"the appointment takes %d slots and %d are free: register again for more", needs, free).In(u.Dialect)
	}
	u.Slots = uint32(min(free-uint64(needs), math.MaxUint32))
	return u, s.PutUser(u)
}

// Expire ends what is over at a height: subscriptions past their grace. What
// answers a breach stays until the breach is resolved, and its user with it.
func (g *Gatekeeper) Expire(s Store, height uint32) (appointments, users int64, err error) {
	if height < g.terms.Grace {
		return 0, 0, nil
	}
	return s.DropExpired(height - g.terms.Grace)
}
