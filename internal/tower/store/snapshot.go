package store

import (
	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
)

// snapshot is what a view may know without reading: what it would read.
type snapshot struct {
	known *known
	at    uint64 // the commit that the view shows
}

// look returns the state that a view shows, which take begins; none if a
// commit was on its way or came between.
func (k *known) look(take func() error) (*snapshot, error) {
	k.mu.RLock()
	s := &snapshot{known: k, at: k.done}
	k.mu.RUnlock()
	if err := take(); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.begun != s.at {
		return nil, nil //nolint:nilnil // there is none, and no failure
	}
	return s, nil
}

func (s *snapshot) user(id teos.UserID) (u gatekeeper.User, ok bool) {
	s.known.mu.RLock()
	defer s.known.mu.RUnlock()
	if s.known.done == s.at {
		u, ok = s.known.users[id]
	}
	return u, ok
}

func (s *snapshot) tip() *chain.Header {
	s.known.mu.RLock()
	defer s.known.mu.RUnlock()
	if s.known.done != s.at {
		return nil
	}
	return s.known.tip
}

// knownTip is nil where it has to be read.
func (t *tx) knownTip() (*chain.Header, error) {
	if t.batch != nil {
		return t.batch.tip, nil
	}
	s, err := t.snapshot()
	if s == nil {
		return nil, err
	}
	return s.tip(), nil
}

// snapshot is a view's. The first call begins it: once anything was read, nobody
// can tell any more which state that is of.
func (t *tx) snapshot() (*snapshot, error) {
	if t.begun {
		return t.shown, nil
	}
	s, err := t.memory.known.look(func() error {
		_, err := t.exec("begin a snapshot", `PRAGMA data_version`)
		return err
	})
	t.shown = s
	return s, err
}
