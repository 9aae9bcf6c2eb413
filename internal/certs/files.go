package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// watchEvery is how often files are read: they are small, and a time of change
// may be too coarse to show a change.
const watchEvery = 2 * time.Second

// maxFile bounds a file, in bytes.
const maxFile = 1 << 20

// Files are a certificate chain and its key in two files, PEM. The last pair
// that was good is kept when a newer one is not.
type Files struct {
	cert, key string
	log       *slog.Logger
	every     time.Duration

	mu      sync.Mutex
	pair    *tls.Certificate
	content [2][]byte // that was read last, good or not
	err     error
}

// NewFiles returns the pair in two files, read at once. That there is none, or
// a broken one, is in its status.
func NewFiles(cert, key string, log *slog.Logger) *Files {
	f := &Files{cert: cert, key: key, log: log, every: watchEvery, err: errNone}
	f.refresh()
	return f
}

// Certificate returns the pair.
func (f *Files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pair == nil {
		return nil, f.err
	}
	return f.pair, nil
}

// Protocols are none.
func (f *Files) Protocols() []string { return nil }

// Status returns how the pair is.
func (f *Files) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Status{Err: f.err}
	if f.pair != nil {
		s.Expires, s.Soon = look(f.pair, time.Now())
	}
	return s
}

// Keep reads the files again and again until ctx ends.
func (f *Files) Keep(ctx context.Context) {
	for ctx.Err() == nil {
		f.refresh()
		pause(ctx, f.every)
	}
}

// refresh reads the files, and takes the pair if it is new and good.
func (f *Files) refresh() {
	content, err := f.read()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && same(content, f.content) {
		return // what was good or bad then is so still
	}
	var pair tls.Certificate
	if err == nil {
		f.content = content
		pair, err = tls.X509KeyPair(content[0], content[1])
	}
	if err != nil {
		f.fail(fmt.Errorf("tls-cert %s with tls-key %s: %w", f.cert, f.key, err))
		return
	}
	f.pair, f.err = &pair, nil
	f.log.Info("a certificate was read", "file", f.cert, "expires", pair.Leaf.NotAfter)
}

// fail notes, and logs once, why a pair can't be taken. f is locked.
func (f *Files) fail(err error) {
	if f.err == nil || f.err.Error() != err.Error() {
		f.log.Warn("the certificate can't be read; one that was read before is kept", "err", err)
	}
	f.err = err
}

func same(a, b [2][]byte) bool {
	return a[0] != nil && b[0] != nil && bytes.Equal(a[0], b[0]) && bytes.Equal(a[1], b[1])
}

func (f *Files) read() (content [2][]byte, err error) {
	for i, path := range [2]string{f.cert, f.key} {
		if content[i], err = readFile(path); err != nil {
			return [2][]byte{}, err
		}
	}
	return content, nil
}

func readFile(path string) (content []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err = io.ReadAll(io.LimitReader(file, maxFile+1))
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s is no PEM file: it has over %d bytes", path, maxFile)
	}
	return content, err
}
