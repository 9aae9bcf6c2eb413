package gatekeeper

import (
	"fmt"
	"math"

	"vigil/internal/teos"
)

// extend adds to a subscription at a height. Where the operator's limits leave less
// room than was asked for, it adds what fits: a user that was refused could not
// renew, and would lose what is watched for it.
func (g *Gatekeeper) extend(s Store, u User, d teos.Dialect, height, moreSlots, moreBlocks uint32) (_ User, err error) {
	if u.Expiry <= height {
		u.Start = height
	}
	ending := uint64(height) + uint64(moreBlocks)/2
	slots := g.filled(u, moreSlots, ending)
	expiry := g.upTo(u, uint64(max(u.Expiry, height))+uint64(moreBlocks), height)
	if slots == uint64(u.Slots) {
		return User{}, refused(u, "you hold %d slots, filled ones included, of %d that one user may hold: to renew, register again in %d blocks",
			uint64(u.Slots)+u.Filled, g.terms.MaxSlots, uint64(u.Expiry)-ending)
	}
	if err := g.fits(s, u, slots, expiry, height); err != nil {
		return User{}, err
	}
	u.Slots, u.Expiry = uint32(slots), uint32(expiry) //nolint:gosec // they fit
	if u.Dialect, err = dialect(s, u, d); err != nil {
		return User{}, err
	}
	return u, s.PutUser(u)
}

// filled returns the free slots of a user who gets more, as many as fit. Clients
// take no receipt without one more: so where all are held, a subscription that ends
// by the height ending gets one all the same, and one that lasts gets none.
func (g *Gatekeeper) filled(u User, more uint32, ending uint64) uint64 {
	most, held := uint64(g.terms.MaxSlots), uint64(u.Slots)+u.Filled
	if most == 0 || held+uint64(more) <= most {
		return uint64(u.Slots) + uint64(more)
	}
	room := max(held, most) - held
	if room == 0 && uint64(u.Expiry) <= ending {
		room = 1
	}
	return uint64(u.Slots) + room
}

// upTo cuts an expiry to what the operator allows. Where no block fits, it is
// returned as it is.
func (g *Gatekeeper) upTo(u User, expiry uint64, height uint32) uint64 {
	last := uint64(height) + uint64(max(g.terms.MaxAhead, g.terms.Duration))
	if g.terms.MaxAhead > 0 && uint64(u.Expiry) < last {
		return min(expiry, last)
	}
	return expiry
}

// fits fails with teos.RegistrationRefused where nothing can be added.
func (g *Gatekeeper) fits(s Store, u User, slots, expiry uint64, height uint32) error {
	t := g.terms
	switch {
	case slots > math.MaxUint32:
		return refused(u, "the user has %d free slots, %s", u.Slots, room(math.MaxUint32-u.Slots, "as many as there can be", ""))
	case expiry > math.MaxUint32:
		return refused(u, "the subscription holds until block %d, %s", u.Expiry, room(math.MaxUint32-max(u.Expiry, height), "as late as it can", " blocks"))
	case t.MaxAhead > 0 && expiry > uint64(height)+uint64(max(t.MaxAhead, t.Duration)):
		return refused(u, "a subscription may last %d blocks from now, and yours holds until block %d: register again after the next block",
			max(t.MaxAhead, t.Duration), u.Expiry)
	case t.MaxUsers > 0 && u.Row == 0:
		users, _, err := s.Totals()
		if err == nil && users >= uint64(t.MaxUsers) {
			err = refused(u, "the tower is full: it takes %d users", t.MaxUsers)
		}
		return err
	}
	return nil
}

// room says how much more of something there may be, or that there is all of it.
func room(more uint32, all, of string) string {
	if more == 0 {
		return all
	}
	return fmt.Sprintf("and %d%s more can be added at most", more, of)
}

func refused(u User, format string, args ...any) error {
	return teos.Errorf(teos.RegistrationRefused, format, args...).In(u.Dialect)
}
