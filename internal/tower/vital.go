package tower

import (
	"context"
	"errors"
	"fmt"
)

// ErrFull is in the chain of an ErrStore for which only a full disk is to
// blame.
var ErrFull = errors.New("the disk is full")

// ErrDamaged is in the chain of an ErrStore that says that the file is not what
// it should be: it does not pass by itself.
var ErrDamaged = errors.New("the store is damaged")

// errHurt is what users are told after damage was met: a tower that can't be
// sure of what it holds promises nothing more.
var errHurt = fmt.Errorf("%w: %w: stop the tower, put a backup of the store in its place or repair it, start again", ErrStore, ErrDamaged)

// Reserve is room on the disk that is kept for what a tower must not fail to
// write: the blocks, and what they mean for breaches.
type Reserve interface {
	// Release gives the room up and tells whether there was any.
	Release() bool
	// Hold takes the room again, if it was given up, and fails while the
	// disk is too full. It is cheap where there is nothing to do.
	Hold() error
}

// KeepReserve gives the tower a reserve; without one it has none. Not safe once
// the Tower is in use.
func (t *Tower) KeepReserve(r Reserve) { t.reserve = r }

// noReserve is a reserve without room.
type noReserve struct{}

func (noReserve) Release() bool { return false }
func (noReserve) Hold() error   { return nil }

// vital runs f as Store.Update does. Where the disk is full it gives up the
// reserve and runs f once more. Users' requests are refused from then on until
// the reserve is there again: what it left must not be used up by them.
func (t *Tower) vital(ctx context.Context, f func(Tx) error) error {
	err := t.store.Update(ctx, f)
	if errors.Is(err, ErrFull) && t.reserve.Release() {
		t.log.Error("the disk is full: the reserve is used, so that blocks can still be processed; make room")
		err = t.store.Update(ctx, f)
	}
	return t.wrote(err)
}

// met notes damage, wherever it is met. It lasts until the next start.
func (t *Tower) met(err error) error {
	if errors.Is(err, ErrDamaged) && !t.hurt.Swap(true) {
		t.log.Error("the store is damaged: new appointments are refused; breaches are answered as far as it can be read", "err", err)
	}
	return err
}

// admit fails while nothing may be promised to users.
func (t *Tower) admit() error {
	if t.hurt.Load() {
		return errHurt
	}
	return t.reserve.Hold()
}

// wrote notes for the operator whether the store takes what is written.
func (t *Tower) wrote(err error) error {
	switch {
	case errors.Is(t.met(err), ErrStore):
		t.storeError.Store(&err)
	case err == nil:
		t.storeError.Store(nil)
	}
	return err
}

// StoreTrouble says why the store can't be written to, "" where it can.
func (t *Tower) StoreTrouble() string {
	if err := t.storeError.Load(); err != nil && !t.hurt.Load() {
		return (*err).Error()
	}
	if err := t.admit(); err != nil {
		return err.Error()
	}
	return ""
}
