package store

import (
	"errors"
	"os"
	"syscall"
)

// allocate takes room for a file without writing to it. It fails with
// errors.ErrUnsupported where the file system can't.
func allocate(f *os.File, size int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
