package harness

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// door is the address at which others reach the node. It opens only when the
// node is ready to be seen, and is closed while the node is away: then
// connections are refused, as they are when a node is down.
type door struct {
	address string

	mu     sync.Mutex
	server *http.Server
	ended  chan struct{}
}

// open forwards the door's address to the node's own.
func (d *door) open(node string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: node})
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute, ErrorLog: proxy.ErrorLog}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // ends by shut only
	}()
	d.server, d.ended = server, ended
	return nil
}

// shut closes the door and every connection through it.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server == nil {
		return
	}
	_ = d.server.Close() // every error here says that it is closed already
	<-d.ended
	d.server = nil
}
