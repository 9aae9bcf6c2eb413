package store_test

import (
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

// listed is what Listing tells of an appointment.
func listed(a watcher.Appointment, user teos.UserID, triggered bool) tower.Listed {
	return tower.Listed{
		Row: a.Row, Locator: a.Locator, User: user, Size: len(a.EncryptedBlob),
		ToSelfDelay: a.ToSelfDelay, StartBlock: a.StartBlock, Triggered: triggered,
	}
}

func TestListing(t *testing.T) {
	db := towertest.Open(t, towertest.File(t))
	err := db.Update(t.Context(), func(tx tower.Tx) error {
		one, two := putUser(t, tx, 1), putUser(t, tx, 2)
		var all []tower.Listed
		for n := range uint32(3) {
			all = append(all, listed(putAppointment(t, tx, one, n), one.ID, false),
				listed(putAppointment(t, tx, two, n), two.ID, false))
		}
		tr := putTracker(t, tx, one, 9, 20)
		triggered, err := tx.AppointmentIn(tr.Row)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, listed(triggered, one.ID, true))
		at := all[2].Locator
		for _, c := range []struct {
			name  string
			q     tower.ListingQuery
			owner int64
			want  []tower.Listed
		}{
			{"all", tower.ListingQuery{Limit: 10}, 0, all},
			{"first page", tower.ListingQuery{Limit: 2}, 0, all[:2]},
			{"next page", tower.ListingQuery{Limit: 2, After: all[1].Row}, 0, all[2:4]},
			{"behind the last", tower.ListingQuery{Limit: 2, After: tr.Row}, 0, nil},
			{"a user's", tower.ListingQuery{Limit: 10, User: &two.ID}, two.Row, []tower.Listed{all[1], all[3], all[5]}},
			{"a user's next", tower.ListingQuery{Limit: 1, User: &two.ID, After: all[1].Row}, two.Row, all[3:4]},
			{"at a locator", tower.ListingQuery{Limit: 10, Locator: &at}, 0, all[2:4]},
			{"a user's at a locator", tower.ListingQuery{Limit: 10, Locator: &at, User: &two.ID}, two.Row, all[3:4]},
			{"at no locator", tower.ListingQuery{Limit: 10, Locator: &teos.Locator{}}, 0, nil},
		} {
			got, err := tx.Listing(c.q, c.owner)
			wantErr(t, err, nil)
			equal(t, c.name, got, c.want)
		}
		return nil
	})
	wantErr(t, err, nil)
}
