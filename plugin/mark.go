package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"vigil/internal/teos"
)

// errMissing says that a store is gone that was there: whatever took it, a tower
// that began anew in its place would have forgotten its promises without a word.
var errMissing = errors.New("the tower's store is gone or empty, and it was not before: " +
	"put it back from a backup, or delete the mark to begin a new tower")

// missing fails where the directory is marked as a tower's and has no store.
func (d *daemon) missing() error {
	if _, err := os.Stat(d.path(markFile)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	info, err := os.Stat(d.path(storeFile))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return fmt.Errorf("%w (store %s, mark %s)", errMissing, d.path(storeFile), d.path(markFile))
	}
	return nil // what else is wrong shows when it is opened
}

// mark marks the directory as a tower's, which has a store from now on. It
// holds the tower's id, for people.
func (d *daemon) mark(id teos.UserID) {
	if _, err := os.Stat(d.path(markFile)); err == nil {
		return
	}
	err := os.WriteFile(d.path(markFile), []byte(id.String()+"\n"), 0o600)
	if err != nil {
		// Not worth a tower that does not guard: a full disk may be why.
		d.log.Error("the data directory could not be marked: that a store was lost would not be noticed", "err", err)
	}
}
