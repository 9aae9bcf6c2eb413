package store_test

import (
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

// A dispute may be that of ten thousand appointments.
func testSharedDispute(t *testing.T, s tower.Store) {
	update(t, s, func(tx tower.Tx) error {
		first := putTracker(t, tx, putUser(t, tx, 1), 1, 50)
		a := putAppointment(t, tx, putUser(t, tx, 2), 1)
		second := first
		second.Row, second.Dispute, second.Spent = a.Row, chain.Tx{ID: first.Dispute.ID}, nil
		if err := tx.InsertTracker(second); err != nil { // it came late
			return err
		}
		second.Dispute = first.Dispute
		equal(t, "the second tracker", tracker(t, tx, second.Row), second)
		if err := tx.DropTracker(first.Row); err != nil {
			return err
		}
		equal(t, "the second tracker alone", tracker(t, tx, second.Row), second)
		if err := tx.DropTracker(second.Row); err != nil {
			return err
		}
		bare := second
		bare.Dispute = chain.Tx{ID: second.Dispute.ID}
		if err := tx.InsertTracker(bare); err != nil {
			return err
		}
		equal(t, "a tracker after all had gone", tracker(t, tx, bare.Row), bare)
		return nil
	})
}
