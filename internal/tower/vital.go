package tower

import (
	"context"
	"errors"
)

// ErrFull is in the chain of an ErrStore for which only a full disk is to
// blame.
var ErrFull = errors.New("the disk is full")

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

// wrote notes for the operator whether the store takes what is written.
func (t *Tower) wrote(err error) error {
	switch {
	case err == nil:
		t.storeError.Store(nil)
	case errors.Is(err, ErrStore):
		t.storeError.Store(&err)
	}
	return err
}

// storeTrouble says why the store can't be written to, "" where it can.
func (t *Tower) storeTrouble() string {
	if err := t.storeError.Load(); err != nil {
		return (*err).Error()
	}
	if err := t.reserve.Hold(); err != nil {
		return err.Error()
	}
	return ""
}
