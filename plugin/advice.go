package main

import (
	"errors"
	"fmt"
	"slices"

	"vigil/internal/tower"
	"vigil/internal/tower/store"
)

// errDataDir says that there is no data directory and none can be made.
var errDataDir = errors.New("can't make the data directory")

// typed is an option as its user types it.
func (s settings) typed(option string) string {
	if s.prefix == "" {
		return "--" + option
	}
	return s.named(option)
}

// advised adds to what keeps a tower from its start what its operator can do, where
// the error does not say it.
func (s settings) advised(err error) error {
	switch {
	case errors.Is(err, tower.ErrOtherTower):
		return fmt.Errorf("%w: name another directory (%s), or run it with the key and network that wrote this one", err, s.typed("data-dir"))
	case errors.Is(err, tower.ErrDamaged):
		return fmt.Errorf("%w: move %s away, with the files beside it whose names begin as its own, and restore a backup (`vigil restore`), or repair it with sqlite3's .recover",
			err, storeFile)
	case errors.Is(err, errDataDir):
		return fmt.Errorf("%w: give its user the right to, or name another (%s)", err, s.typed("data-dir"))
	}
	return err
}

// lasts tells whether what keeps a tower from running stays until somebody mends it:
// then to wait is no advice.
func lasts(err error) bool {
	return slices.ContainsFunc([]error{tower.ErrOtherTower, tower.ErrDamaged, store.ErrNewer, errMissing, errNoKey, errKey, errDataDir},
		func(e error) bool { return errors.Is(err, e) })
}
