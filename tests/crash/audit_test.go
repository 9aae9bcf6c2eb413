package crash

import (
	"fmt"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// audit compares all that a user was promised with what the tower has, while
// nobody asks it for anything else. What was touched since the last audit is
// read and sent again; the rest is in the list, or read too where all is set.
func (l *ledger) audit(t *testing.T, all bool) error {
	t.Helper()
	for locator, e := range l.entries {
		if !all && !l.touched[locator] {
			continue
		}
		if err := l.settle(t, locator, e); err != nil {
			return err
		}
	}
	clear(l.touched)
	return l.sums(t)
}

// settle reads one appointment and finds out what became of its open versions.
func (l *ledger) settle(t *testing.T, locator teos.Locator, e *entry) error {
	l.seen.contents++
	held, err := l.Get(t.Context(), locator)
	switch {
	case notThere(err) && e.receipt == nil:
		l.seen.openGone += len(e.open)
		delete(l.entries, locator)
		return nil
	case notThere(err):
		return fmt.Errorf("LOST: appointment %v has a receipt", locator)
	case err != nil:
		return fmt.Errorf("appointment %v (with a receipt: %v): %w", locator, e.receipt != nil, err)
	case held.Status == harness.DisputeResponded:
		return e.responded(held)
	case e.receipt != nil && holds(held, e.kept):
		l.seen.openGone += len(e.open)
		e.open = nil
		return l.again(t, e.kept)
	}
	for i, a := range e.open {
		if holds(held, a) {
			l.seen.openStored++
			l.seen.openGone += i
			return l.again(t, a)
		}
	}
	return fmt.Errorf("LOST: appointment %v is none that was sent since its receipt", locator)
}

// again sends what is stored already.
func (l *ledger) again(t *testing.T, a teos.Appointment) error {
	err := l.add(t, a)
	if e := l.entries[a.Locator]; wasTriggered(err) && e.breach != nil && e.breach.mined {
		return nil
	}
	return err
}

// responded demands that the tower tells of the breach that happened.
func (e *entry) responded(held harness.Held) error {
	told := held.Appointment
	if e.breach == nil || !e.breach.mined {
		return fmt.Errorf("appointment %s: a breach %s that was not", held.Locator, told.DisputeTxID)
	}
	if told.DisputeTxID != e.breach.dispute.TxHash().String() || told.PenaltyTx != harness.TxHex(e.breach.penalty) {
		return fmt.Errorf("appointment %s: dispute %s and penalty %s", held.Locator, told.DisputeTxID, told.PenaltyTxID)
	}
	return nil
}

// sums demands that the list of appointments is the ledger's, and that slots
// are those of all registrations but those that are filled.
func (l *ledger) sums(t *testing.T) error {
	if l.granted+l.asked == 0 {
		return nil
	}
	s, err := l.Info(t.Context())
	if l.granted == 0 && harness.Code(err) != 0 {
		return nil // the registration was not answered, and not stored
	}
	if err != nil {
		return fmt.Errorf("LOST: a user with %d registrations: %w", l.granted, err)
	}
	l.seen.lists++
	listed := make(map[string]bool, len(s.Locators))
	for _, locator := range s.Locators {
		listed[locator] = true
	}
	filled := uint32(0)
	for locator, e := range l.entries {
		if !listed[locator.String()] {
			return fmt.Errorf("LOST: appointment %v, receipt from block %d, is not in the list", locator, *e.receipt.StartBlock)
		}
		filled += teos.Slots(len(e.kept.EncryptedBlob))
	}
	if len(listed) != len(l.entries) {
		return fmt.Errorf("the tower lists %d appointments of %d", len(listed), len(l.entries))
	}
	return l.settleRegistrations(s, filled)
}

func (l *ledger) settleRegistrations(s harness.Subscription, filled uint32) error {
	l.seen.slotsChecked++
	n := (s.Slots + filled) / perRegistration
	if (s.Slots+filled)%perRegistration != 0 || n < l.granted || n > l.granted+l.asked {
		return fmt.Errorf("%d slots are free and %d filled, with %d registrations and %d that were not answered",
			s.Slots, filled, l.granted, l.asked)
	}
	if s.Expiry < l.expiry {
		return fmt.Errorf("LOST: the subscription ends at %d, a receipt says %d", s.Expiry, l.expiry)
	}
	l.granted, l.asked = n, 0
	return nil
}
