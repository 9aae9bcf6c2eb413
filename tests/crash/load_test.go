package crash

import (
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

const (
	users    = 4
	perUser  = 3   // connections
	fullUser = 150 // appointments, then another one takes its place
)

// crowd is the users of a tower.
type crowd struct {
	door    harness.Door
	present []*ledger
	gone    []*ledger // they ask for nothing any more, and still own what they have
}

func newCrowd(t *testing.T, door harness.Door) *crowd {
	t.Helper()
	c := &crowd{door: door}
	for i := range users {
		c.present = append(c.present, newLedger(t, dialectOf(i), door))
	}
	return c
}

func dialectOf(i int) teos.Dialect {
	if i%3 == 0 {
		return teos.V1
	}
	return teos.V2
}

// work lets all users ask for this and that until the tower ends, or stop is
// closed. An answer that is not what the protocol has fails the test.
func (c *crowd) work(t *testing.T, stop <-chan struct{}) {
	t.Helper()
	var busy sync.WaitGroup
	for _, l := range c.present {
		if l.Tower == (teos.UserID{}) {
			if err := l.register(t); err != nil {
				report(t, err)
				continue
			}
		}
		for range perUser {
			busy.Go(func() { l.work(t, stop) })
		}
	}
	busy.Wait()
}

func report(t *testing.T, err error) {
	t.Helper()
	// A slow machine may see a client put off; whether anything is accepted at
	// all is looked at in the end.
	if !cut(err) && !harness.PutOff(err) {
		t.Error(err)
	}
}

// work is one connection. Its appointments are its own: two versions of one
// are never under way at once.
func (l *ledger) work(t *testing.T, stop <-chan struct{}) {
	var mine []teos.Appointment
	for {
		select {
		case <-stop:
			return
		default:
		}
		if err := l.step(t, &mine); err != nil {
			report(t, err)
			return
		}
	}
}

func (l *ledger) step(t *testing.T, mine *[]teos.Appointment) error {
	n := rand.IntN(100)
	if n < 45 || len(*mine) == 0 {
		a := appointment(newLocator())
		*mine = append(*mine, a)
		return l.add(t, a)
	}
	i := rand.IntN(len(*mine))
	a := (*mine)[i]
	switch {
	case n < 70:
		(*mine)[i] = appointment(a.Locator)
		return l.add(t, (*mine)[i])
	case n < 85:
		return l.add(t, a)
	case n < 95:
		_, err := l.Get(t.Context(), a.Locator)
		return err
	case n < 99:
		_, err := l.Info(t.Context())
		return err
	default:
		return l.register(t)
	}
}

func newLocator() (l teos.Locator) {
	_, _ = crand.Read(l[:]) // never fails
	return l
}

// appointment makes a version of an appointment: small ones mostly, some of
// several slots, a few that fill a dozen pages.
func appointment(l teos.Locator) teos.Appointment {
	size := teos.MinBlobSize + rand.IntN(400)
	switch rand.IntN(20) {
	case 0, 1, 2:
		size = teos.MinBlobSize + rand.IntN(8000)
	case 3:
		size = 50_000
	}
	blob := make([]byte, size)
	_, _ = crand.Read(blob)
	return teos.Appointment{Locator: l, EncryptedBlob: blob, ToSelfDelay: 20 + rand.Uint32N(1000)}
}

// audit holds the tower to what each user has. With all set also to what was
// not touched since the last audit, and to users who have gone.
func (c *crowd) audit(t *testing.T, all bool) {
	t.Helper()
	list := slices.Clone(c.present)
	if all {
		list = append(list, c.gone...)
	}
	errs := make([]error, len(list))
	atOnce := make(chan struct{}, users*perUser)
	var busy sync.WaitGroup
	for i, l := range list {
		atOnce <- struct{}{}
		busy.Go(func() { errs[i] = l.audit(t, all); <-atOnce })
	}
	busy.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	c.renew(t)
}

// renew puts new users in the place of those who have much.
func (c *crowd) renew(t *testing.T) {
	t.Helper()
	for i, l := range c.present {
		if len(l.entries) > fullUser {
			c.gone = append(c.gone, l)
			c.present[i] = newLedger(t, dialectOf(len(c.gone)), c.door)
		}
	}
}

// figures sums up what the users have seen.
func (c *crowd) figures() (f figures) {
	for _, l := range slices.Concat(c.present, c.gone) {
		f.add(l.seen)
	}
	return f
}
