package harness

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// door is the address at which others reach the node. It opens only when the
// node is ready to be seen, and is closed while the node is away: then
// connections are refused, as they are when a node is down.
type door struct {
	address string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]struct{}
	inside   sync.WaitGroup
}

// open forwards connections to the node's own address.
func (d *door) open(node string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	listener, err := listenAgain(d.address)
	if err != nil {
		return err
	}
	d.listener, d.conns = listener, map[net.Conn]struct{}{}
	d.inside.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed by shut
			}
			d.inside.Go(func() { d.forward(client, node) })
		}
	})
	return nil
}

// listenAgain listens where this process did a moment ago. A child that is being started
// has all that its parent had open until it is another program, the old listener as well.
func listenAgain(address string) (listener net.Listener, err error) {
	Eventually(context.Background(), 10*time.Second, func() bool {
		listener, err = net.Listen("tcp", address)
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	return listener, err
}

// forward carries bytes both ways; the end of one way ends that way only.
func (d *door) forward(client net.Conn, node string) {
	defer client.Close()
	server, err := net.Dial("tcp", node)
	if err != nil {
		return
	}
	defer server.Close()
	if !d.enter(client, server) {
		return
	}
	defer d.leave(client, server)
	var there sync.WaitGroup
	there.Go(func() { carry(server, client) })
	carry(client, server)
	there.Wait()
}

// carry ends with the end of either connection.
func carry(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite() // it may be gone
}

// enter notes connections for shut; it fails when the door is shut already.
func (d *door) enter(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range conns {
		if d.listener != nil {
			d.conns[conn] = struct{}{}
		}
	}
	return d.listener != nil
}

func (d *door) leave(conns ...net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range conns {
		delete(d.conns, conn)
	}
}

// shut closes the door and every connection through it.
func (d *door) shut() {
	d.mu.Lock()
	if d.listener != nil {
		_ = d.listener.Close()
		d.listener = nil
		for conn := range d.conns {
			_ = conn.Close()
		}
	}
	d.mu.Unlock()
	d.inside.Wait()
}
