package store

import (
	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
)

// glance is what a view may know: what it would read itself.
type glance struct {
	known *known
	at    uint64 // the commit that the view shows
}

// look returns a glance at the state that a snapshot shows, which take begins; none if a
// commit was on its way or came between.
func (k *known) look(take func() error) (*glance, error) {
	k.mu.RLock()
	g := &glance{known: k, at: k.done}
	k.mu.RUnlock()
	if err := take(); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.begun != g.at {
		return nil, nil //nolint:nilnil // there is none, and no failure
	}
	return g, nil
}

func (g *glance) user(id teos.UserID) (u gatekeeper.User, ok bool) {
	g.known.mu.RLock()
	defer g.known.mu.RUnlock()
	if g.known.done == g.at {
		u, ok = g.known.users[id]
	}
	return u, ok
}

func (g *glance) tip() *chain.Header {
	g.known.mu.RLock()
	defer g.known.mu.RUnlock()
	if g.known.done != g.at {
		return nil
	}
	return g.known.tip
}

// knownTip is a view's, nil where it has to be read.
func (t *tx) knownTip() (*chain.Header, error) {
	g, err := t.glance()
	if g == nil {
		return nil, err
	}
	return g.tip(), nil
}

// glance is a view's. Its first one begins the snapshot: once anything was read, nobody
// can tell any more which state that is of.
func (t *tx) glance() (*glance, error) {
	if t.begun {
		return t.glanced, nil
	}
	g, err := t.memory.known.look(func() error {
		_, err := t.exec("begin a snapshot", `PRAGMA data_version`)
		return err
	})
	t.glanced = g
	return g, err
}
