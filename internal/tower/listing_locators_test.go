package tower_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/watcher"
)

// However many appointments a user has, each is listed once, a page at a time.
func TestLocatorsComeInPages(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.register(bob)
	var want []teos.Locator
	for i, n := range []int{tower.MaxLocators - 1, 1, 1} {
		want = append(want, b.storeMore(len(want), n)...)
		var got []teos.Locator
		pages := 0
		for next := int64(0); pages == 0 || next != 0; pages++ {
			s, err := b.GetSubscriptionInfo(t.Context(), alice.Subscription(t).From(next))
			b.must(err)
			got, next = append(got, s.Locators...), s.Next
		}
		if !slices.Equal(got, want) || pages != []int{1, 2, 2}[i] {
			t.Errorf("%d locators in %d pages, of %d", len(got), pages, len(want))
		}
	}
}

// storeMore stores more appointments of alice, with one of bob beside each, and
// returns the locators.
func (b *bench) storeMore(have, more int) (ls []teos.Locator) {
	b.t.Helper()
	b.must(b.store.Update(b.t.Context(), func(tx tower.Tx) error {
		for _, u := range []teos.UserID{alice.ID(), bob.ID()} {
			user, err := tx.User(u)
			if err != nil {
				return err
			}
			ls = nil
			for i := range more {
				a := watcher.Appointment{UserRow: user.Row}
				a.EncryptedBlob = []byte{0}
				binary.BigEndian.PutUint32(a.Locator[:], uint32(have+i))
				a.UserSignature[0] = 31
				ls = append(ls, a.Locator)
				if _, err := tx.PutAppointment(a); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	return ls
}
