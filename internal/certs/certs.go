// Package certs keeps the certificates of the API's TLS listener: the
// operator's own, from files that are read again when they change, or those
// that an ACME authority gives.
package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"time"
)

// Status is how the certificates are.
type Status struct {
	// Expires is when the first of them is over; zero where there is none.
	Expires time.Time
	// Soon says that this is sooner than it should be by now.
	Soon bool
	// Err says why there is none, or no newer one, and what to do.
	Err error
}

var errNone = errors.New("there is no certificate yet")

// soonest is how long before its end a certificate that is not renewed is an
// alarm. Of those that last for days only, it is a quarter of their time.
const soonest = 14 * 24 * time.Hour

// look tells of a certificate.
func look(c *tls.Certificate, now time.Time) (expires time.Time, soon bool) {
	lasts := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)
	return c.Leaf.NotAfter, c.Leaf.NotAfter.Sub(now) < min(soonest, lasts/4)
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
