package towerapi

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// TLS is how to serve the API over TLS.
type TLS struct {
	// Bind is the TCP address to listen on, host:port.
	Bind string
	// Certificates are shown to clients.
	Certificates Certificates
}

// Certificates are the certificates of a TLS listener.
type Certificates interface {
	// Certificate returns the one for a client. It returns at once unless
	// the client is an ACME authority that checks this server.
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// Protocols are those of ALPN beside HTTP.
	Protocols() []string
	// Keep sees to it that they stay valid, until ctx ends. It is called when
	// the listener is open, and again each time that it was closed between.
	Keep(ctx context.Context)
}

// tlsConfig is without HTTP/2: what it answers in our place would be no JSON,
// and many requests of one connection would pass the limits of connections.
func tlsConfig(c Certificates) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     append([]string{"http/1.1"}, c.Protocols()...),
		GetCertificate: c.Certificate,
	}
}

// wrap makes a connection speak TLS, where the listener does. The handshake is
// done by the first read, in the time that a request's head may take.
func (l *listener) wrap(c net.Conn) net.Conn {
	if l.tls == nil {
		return c
	}
	return &secure{Conn: tls.Server(c, l.tls), raw: c}
}

// secure is a TLS connection. Who speaks plain HTTP to it is told to come again,
// as by the plain listener when it has no room: another answer, or none, would
// lose what a client of the field wants to hand in, where an operator mixed up
// two ports.
type secure struct {
	*tls.Conn
	raw net.Conn
}

func (c *secure) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && plain.Conn != nil && startsRequest(plain.RecordHeader) {
		c.tellPlain()
		return 0, io.EOF
	}
	return n, err
}

// startsRequest tells whether bytes begin an HTTP request: a method of capital
// letters. No record of TLS begins with one.
func startsRequest(head [5]byte) bool {
	for _, b := range head[:3] {
		if b < 'A' || b > 'Z' {
			return false
		}
	}
	return true
}

// tellPlain answers in plain HTTP, in a way in which the client hears it: see
// dismiss. The time of a request's head bounds it.
func (c *secure) tellPlain() {
	if _, err := c.raw.Write(rawAnswer(notNow(0))); err == nil && closeWrite(c.raw) == nil {
		_, _ = io.Copy(io.Discard, c.raw)
	}
}
