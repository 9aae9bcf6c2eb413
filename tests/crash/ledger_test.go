package crash

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// figures are what a run has seen.
type figures struct {
	receipts, registrations       int
	openStored, openGone          int // requests without an answer, by what came of them
	contents, lists, slotsChecked int // audits: appointments read, lists compared, sums made
}

func (f *figures) add(g figures) {
	f.receipts += g.receipts
	f.registrations += g.registrations
	f.openStored += g.openStored
	f.openGone += g.openGone
	f.contents += g.contents
	f.lists += g.lists
	f.slotsChecked += g.slotsChecked
}

// entry is what a user knows of one of its appointments.
type entry struct {
	// kept is the last version with a receipt; there may be none.
	kept    teos.Appointment
	receipt *harness.Receipt
	// open are the versions that were sent since and got no answer.
	open []teos.Appointment
	// breach is set where there is a dispute for it, and mined once it is in
	// a block.
	breach *breach
}

// breach is a dispute and its penalty.
type breach struct {
	dispute, penalty *wire.MsgTx
	mined            bool
}

// ledger is a user with all that it was promised.
type ledger struct {
	*harness.Client
	mu      sync.Mutex
	entries map[teos.Locator]*entry
	touched map[teos.Locator]bool // since the last audit
	// granted counts registrations with a receipt, asked those without.
	granted, asked uint32
	expiry         uint32 // the latest in a receipt
	seen           figures
}

func newLedger(t *testing.T, d teos.Dialect, door harness.Door) *ledger {
	t.Helper()
	return &ledger{Client: harness.NewUser(t, d, door),
		entries: map[teos.Locator]*entry{}, touched: map[teos.Locator]bool{}}
}

// register notes what it sends before it sends it, as all that follows here.
func (l *ledger) register(t *testing.T) error {
	l.mu.Lock()
	l.asked++
	l.mu.Unlock()
	r, err := l.Register(t.Context())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked--
	l.granted++
	l.seen.registrations++
	l.expiry = max(l.expiry, r.Expiry)
	return nil
}

// add hands a version in. A receipt for a version that has one already must
// be the same.
func (l *ledger) add(t *testing.T, a teos.Appointment) error {
	repeat := l.send(a)
	r, err := l.Add(t.Context(), a)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[a.Locator]
	if repeat && (r.Signature != e.receipt.Signature || *r.StartBlock != *e.receipt.StartBlock) {
		return fmt.Errorf("appointment %v: a repeat has the receipt %s, not %s", a.Locator, r.Signature, e.receipt.Signature)
	}
	if !repeat {
		l.seen.receipts++
	}
	e.kept, e.receipt, e.open = a, &r, nil
	return nil
}

// send notes a version as open. It tells whether it is the one that is kept.
func (l *ledger) send(a teos.Appointment) (repeat bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.touched[a.Locator] = true
	e := l.entries[a.Locator]
	if e == nil {
		e = &entry{}
		l.entries[a.Locator] = e
	}
	if e.receipt != nil && same(e.kept, a) && len(e.open) == 0 {
		return true
	}
	e.open = append(e.open, a)
	return false
}

func same(a, b teos.Appointment) bool { return bytes.Equal(a.Message(), b.Message()) }

// holds tells whether get_appointment told of a.
func holds(held harness.Held, a teos.Appointment) bool {
	return held.Appointment.EncryptedBlob == hex.EncodeToString(a.EncryptedBlob) &&
		held.Appointment.ToSelfDelay == a.ToSelfDelay
}

// notThere tells whether the tower says that it has no such appointment.
func notThere(err error) bool { return harness.Code(err) == 36 }

// wasTriggered tells whether the tower says that the dispute was seen.
func wasTriggered(err error) bool {
	code := harness.Code(err)
	return code == 35 || code == -9
}

// cut tells whether an error is that of a connection that ended, or of a tower
// that is not there.
func cut(err error) bool {
	var transport *url.Error
	var network *net.OpError
	return errors.As(err, &transport) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF)
}
