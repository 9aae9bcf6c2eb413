package store

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"vigil/internal/tower"
)

// holdAgain is how often a reserve that was given up is tried to be taken again.
const holdAgain = time.Second

// Reserve is a file that does nothing but take room on the store's disk. It
// implements tower.Reserve and is safe for concurrent use.
type Reserve struct {
	file string
	size int64

	mu    sync.Mutex
	held  bool
	tried time.Time
	err   error // of the last try
}

var _ tower.Reserve = (*Reserve)(nil)

// NewReserve returns a reserve of a size in bytes in a file beside the store. It
// holds nothing before the first Hold.
func NewReserve(file string, size int64) *Reserve { return &Reserve{file: file, size: size} }

// Release implements tower.Reserve.
func (r *Reserve) Release() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := os.Stat(r.file)
	r.held = false
	return err == nil && info.Size() > 0 && os.Truncate(r.file, 0) == nil
}

// Hold implements tower.Reserve. It fails with tower.ErrStore.
func (r *Reserve) Hold() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held {
		return nil
	}
	if r.err != nil && time.Since(r.tried) < holdAgain {
		return r.err
	}
	r.tried = time.Now()
	if r.err = r.fill(); r.err != nil {
		r.err = fmt.Errorf("%w: no room for its reserve of %d MB: %w", tower.ErrStore, r.size>>20, r.err)
		return r.err
	}
	r.held = true
	return nil
}

// fill makes the file as large as it should be. What does not fit is given back.
func (r *Reserve) fill() error {
	f, err := os.OpenFile(r.file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if info, errStat := f.Stat(); errStat == nil && info.Size() > r.size {
		err = f.Truncate(r.size) // it was larger under another option
	}
	if err = errors.Join(err, allocate(f, r.size)); errors.Is(err, errors.ErrUnsupported) {
		err = write(f, r.size)
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(0))
	}
	return errors.Join(err, f.Close())
}

// write fills a file with what no disk can make smaller.
func write(f *os.File, size int64) error {
	if info, err := f.Stat(); err != nil || info.Size() == size {
		return err
	}
	source := rand.NewChaCha8([32]byte{})
	if _, err := io.CopyN(f, source, size); err != nil {
		return err
	}
	return f.Sync()
}
