package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errLocked says that another process runs this tower.
var errLocked = errors.New("another vigil uses this data directory: stop it, or give this one a directory of its own")

// lockDir takes a lock that ends with the process, however it ends: two towers
// on one store would each believe that it knows what was published.
func lockDir(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w (%s)", errLocked, path), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
