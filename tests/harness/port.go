package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Ports of FreeAddress: below those that the system gives to outgoing connections,
// which could take one between its choice and its use. A process has blocks of them to
// itself, by locks on files that end with it: the tests of other packages run beside it,
// and a port is free for a moment whenever what listens on it starts again.
const (
	lowestPort = 10000
	portBlocks = 200
	portsEach  = 100
)

// FreeAddress returns an address on 127.0.0.1 that nothing listens on, and that no other
// call of this process, or of another that asks here, has returned or will.
func FreeAddress(t T) string {
	t.Helper()
	for {
		port, err := ours.next()
		if err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
}

// ours are this process's ports that were not given out yet.
var ours portion

type portion struct {
	mu    sync.Mutex
	left  []int
	locks []*os.File
}

func (p *portion) next() (port int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.left) == 0 {
		if err := p.more(); err != nil {
			return 0, err
		}
	}
	port, p.left = p.left[0], p.left[1:]
	return port, nil
}

// more takes another block.
func (p *portion) more() error {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("vigil-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, block := range rand.Perm(portBlocks) {
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(block)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			f.Close()
			continue
		}
		p.locks = append(p.locks, f)
		for _, i := range rand.Perm(portsEach) {
			p.left = append(p.left, lowestPort+block*portsEach+i)
		}
		return nil
	}
	return errors.New("other processes have them all")
}
