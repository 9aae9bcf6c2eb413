package store

import (
	"slices"
	"strings"
	"sync"

	"vigil/internal/teos"
	"vigil/internal/tower/gatekeeper"
)

// maxKnown is how many users are remembered at most, maxTouched how many a batch may
// touch before it only knows that it touched many.
const (
	maxKnown   = 4096
	maxTouched = 256
)

// known are users as the last commit left their rows: who hands one appointment in
// hands in the next, and to read a row takes a driver four times as long as SQLite.
// Only the writer puts users in, of what it has read or written, once that is durable.
// A user who is not among them may be in the store all the same.
type known struct {
	mu    sync.RWMutex
	users map[teos.UserID]gatekeeper.User
}

func (k *known) find(id teos.UserID) (gatekeeper.User, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	u, ok := k.users[id]
	return u, ok
}

// follow takes over what a batch has done, which was committed.
func (k *known) follow(done touched) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if done.others || k.users == nil {
		k.users = map[teos.UserID]gatekeeper.User{}
	}
	for _, u := range done.users {
		k.makeRoom()
		k.users[u.ID] = u
	}
}

// makeRoom forgets any one user where there are too many.
func (k *known) makeRoom() {
	if len(k.users) < maxKnown {
		return
	}
	for id := range k.users {
		delete(k.users, id)
		return
	}
}

func (k *known) drop(id teos.UserID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.users, id)
}

func (k *known) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users = nil
}

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

// knownUser returns a user without reading its row. A view has what was committed
// before its snapshot, as long as it has read nothing.
func (t *tx) knownUser(id teos.UserID) (u gatekeeper.User, ok bool) {
	if t.batch == nil {
		if t.begun {
			return u, false
		}
		return t.memory.users.find(id)
	}
	for _, d := range []*touched{&t.touched, &t.batch.touched} {
		if u, ok = d.find(id); ok || d.others {
			return u, ok
		}
	}
	return t.memory.users.find(id)
}

// know notes how a user's row is now.
func (t *tx) know(u gatekeeper.User) {
	if t.batch != nil {
		t.touched.put(u)
	}
}

// changesUsers tells whether a statement that writes may change rows of users, other
// than the one whose row PutUser then knows.
func changesUsers(query string) bool {
	switch query {
	case insertUser, updateLoad, updateUser:
		return false
	}
	return strings.Contains(query, "users")
}
