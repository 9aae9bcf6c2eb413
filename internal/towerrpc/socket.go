package towerrpc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// maxSocketPath is what fits the kernel's sun_path on every system we build
// for, in bytes.
const maxSocketPath = 103

// errNotASocket says that a file is in the way, which may be dear to someone.
var errNotASocket = errors.New("there is a file that is no socket: move it away")

// Listen listens on a Unix socket that only this user may reach. A socket that
// a killed process left behind is replaced: the caller holds the lock on the
// directory that it stands in.
func Listen(path string) (net.Listener, error) {
	l, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func listen(path string) (l *net.UnixListener, err error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	err = withShortPath(path, func(short string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
		if err == nil && short != path {
			// The short name is another file's once the directory is closed.
			l.SetUnlinkOnClose(false)
		}
		return err
	})
	return l, err
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errNotASocket
	}
	return os.Remove(path)
}

func dialer(path string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (conn net.Conn, err error) {
		err = withShortPath(path, func(short string) (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, "unix", short)
			return err
		})
		return conn, err
	}
}

// Reach fails where no core listens on a Unix socket.
func Reach(ctx context.Context, socket string) error {
	conn, err := dialer(socket)(ctx, "")
	if err != nil {
		return err
	}
	return conn.Close()
}

// withShortPath gives f a name of the path that fits the kernel's limit: where
// the path itself does not, one by way of an open directory (Linux only).
func withShortPath(path string, f func(string) error) error {
	if len(path) <= maxSocketPath {
		return f(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}
