package store

import (
	"regexp"
	"slices"

	"vigil/internal/teos"
	"vigil/internal/tower/gatekeeper"
)

// maxTouched is how many users a batch may touch before it only knows that it touched many.
const maxTouched = 256

// touched are the users that a transaction has read or written, as it sees them.
type touched struct {
	users []gatekeeper.User
	// others says that it has changed other users, too: what was known of any
	// before does not hold.
	others bool
}

func (d *touched) find(id teos.UserID) (gatekeeper.User, bool) {
	i := slices.IndexFunc(d.users, func(u gatekeeper.User) bool { return u.ID == id })
	if i < 0 {
		return gatekeeper.User{}, false
	}
	return d.users[i], true
}

func (d *touched) put(u gatekeeper.User) {
	i := slices.IndexFunc(d.users, func(v gatekeeper.User) bool { return v.ID == u.ID })
	switch {
	case i >= 0:
		d.users[i] = u
	case len(d.users) < maxTouched:
		d.users = append(d.users, u)
	default:
		d.change()
	}
}

// change notes that any user may have changed.
func (d *touched) change() { d.users, d.others = nil, true }

// follow takes over what one more function of a batch has done.
func (d *touched) follow(done touched) {
	if done.others {
		d.change()
	}
	for _, u := range done.users {
		d.put(u)
	}
}

// writesUsers matches a statement that may change any user's row.
var writesUsers = regexp.MustCompile(`(?i)\b(UPDATE|DELETE\s+FROM|INTO)\s+(OR\s+\w+\s+)?users\b`)

// changesUsers tells whether a statement may change rows of which it is not known how
// they are then.
func changesUsers(query string) bool {
	switch query {
	case insertUser, updateLoad, updateUser, refundUser:
		return false
	}
	return writesUsers.MatchString(query)
}
