package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// A backup ends in a line that tells the SHA-256 of everything before it, in hex.
// It is shorter than SQLite's smallest page (512 bytes): SQLite does not read what
// is no whole page.
const trailerSize = int64(len(trailerStart) + 2*sha256.Size + len("\n"))

const trailerStart = "\nvigil backup, sha256 "

func trailer(sum []byte) []byte { return fmt.Appendf(nil, "%s%x\n", trailerStart, sum) }

var (
	errNoDigest = errors.New("it does not end as a backup does: it was cut off, or never was one")
	errDigest   = errors.New("it is not what was written: its SHA-256 is another")
)

// seal ends a backup with its digest.
func seal(ctx context.Context, f *os.File) error {
	sum := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(sum, reader{ctx, f}); err != nil {
		return err
	}
	_, err := f.Write(trailer(sum.Sum(nil)))
	return err
}

// unsealed copies a backup without its end, and fails where it is not what was
// sealed: what was copied is worth nothing then.
func unsealed(ctx context.Context, to io.Writer, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size() - trailerSize
	if size < 0 {
		return errNoDigest
	}
	end := make([]byte, trailerSize)
	if _, err := f.ReadAt(end, size); err != nil {
		return err
	}
	if !bytes.HasPrefix(end, []byte(trailerStart)) {
		return errNoDigest
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(to, sum), reader{ctx, f}, size); err != nil {
		return err
	}
	// The text, not its value: hex has two ways to write a digit.
	if !bytes.Equal(end, trailer(sum.Sum(nil))) {
		return errDigest
	}
	return nil
}

// reader is a file that is read until ctx ends.
type reader struct {
	ctx context.Context
	f   *os.File
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.f.Read(p)
}
