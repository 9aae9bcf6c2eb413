package store

import (
	"sync"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
)

// maxKnown is how many users are remembered at most.
const maxKnown = 4096

// known is what the last commit left of the tip and of users: who hands one appointment
// in hands in the next, and to read a row takes a driver four times as long as SQLite.
// Only the writer puts in what it has read or written, once that is durable. A user who
// is not among them may be in the store all the same.
type known struct {
	mu    sync.RWMutex
	users map[teos.UserID]gatekeeper.User
	tip   *chain.Header // nil where it has to be read
	// begun counts the commits; done is the count when users and tip were as the
	// last of them left the store. While they differ, a view may show either.
	begun, done uint64
}

// user returns what the writer knows.
func (k *known) user(id teos.UserID) (gatekeeper.User, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	u, ok := k.users[id]
	return u, ok
}

func (k *known) lastTip() *chain.Header {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.tip
}

// last is the count of the last commit, if what it left is certain and there is none on
// its way.
func (k *known) last() (count uint64, certain bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.done, k.done == k.begun
}

// begin is for right before a commit.
func (k *known) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begun++
}

// follow takes over what a batch has done, which was committed.
func (k *known) follow(done touched, tip *chain.Header) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if done.others || k.users == nil {
		k.users = map[teos.UserID]gatekeeper.User{}
	}
	for _, u := range done.users {
		k.makeRoom(u.ID)
		k.users[u.ID] = u
	}
	k.tip, k.done = tip, k.begun
}

// stay is for a commit that was undone: all is as it was before.
func (k *known) stay() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done = k.begun
}

// makeRoom forgets any other user where there are too many.
func (k *known) makeRoom(id teos.UserID) {
	if _, has := k.users[id]; has || len(k.users) < maxKnown {
		return
	}
	for other := range k.users {
		delete(k.users, other)
		return
	}
}

func (k *known) drop(id teos.UserID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.users, id)
}

// forget is for when it is not known what was committed. Views learn nothing more until
// the next commit.
func (k *known) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users, k.tip = nil, nil
}

// knownUser returns a user without reading its row.
func (t *tx) knownUser(id teos.UserID) (u gatekeeper.User, ok bool, err error) {
	if t.batch == nil {
		s, err := t.snapshot()
		if s == nil {
			return u, false, err
		}
		u, ok = s.user(id)
		return u, ok, nil
	}
	for _, d := range []*touched{&t.touched, &t.batch.touched} {
		if u, ok = d.find(id); ok || d.others {
			return u, ok, nil
		}
	}
	u, ok = t.memory.known.user(id)
	return u, ok, nil
}

// know notes how a user's row is now.
func (t *tx) know(u gatekeeper.User) {
	if t.batch != nil {
		t.touched.put(u)
	}
}
