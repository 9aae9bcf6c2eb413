package store

import (
	"errors"
	"path/filepath"
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

// spend takes so many slots of a user, and puts a block on the tip.
func spend(t *testing.T, slots, height uint32) func(tower.Tx) error {
	return func(tx tower.Tx) error {
		u, err := tx.User(manyID(0))
		u.Slots -= slots
		return errors.Join(err, tx.PutUser(u), putTip(t, height, nil)(tx))
	}
}

// A view has one state of the store, whatever it asks for first: what was committed after
// it began is not in it.
func TestAViewStaysAsItBegan(t *testing.T) {
	for first, ask := range map[string]func(tower.Tx) error{
		"a row":   func(tx tower.Tx) error { _, err := tx.Identity("any"); return err },
		"a user":  func(tx tower.Tx) error { _, err := tx.User(manyID(0)); return err },
		"nobody":  func(tx tower.Tx) error { _, _ = tx.User(manyID(1)); return nil },
		"the tip": func(tx tower.Tx) error { _, _, err := tx.Tip(); return err },
	} {
		t.Run(first, func(t *testing.T) {
			db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
			db.keeper.stop()
			mustUpdate(t, db, func(tx tower.Tx) error {
				return errors.Join(tx.PutUser(gatekeeper.User{ID: manyID(0), Slots: 9}), putTip(t, 1, nil)(tx))
			})
			mustView(t, db, func(tx tower.Tx) error {
				if err := ask(tx); err != nil {
					return err
				}
				wantState(t, tx, 9, 1)
				mustUpdate(t, db, spend(t, 1, 2))
				wantState(t, tx, 9, 1)
				mustUpdate(t, db, spend(t, 1, 3))
				wantState(t, tx, 9, 1)
				return nil
			})
			mustView(t, db, func(tx tower.Tx) error { wantState(t, tx, 7, 3); return nil })
		})
	}
}

func wantState(t *testing.T, tx tower.Tx, slots, height uint32) {
	t.Helper()
	u, err := tx.User(manyID(0))
	tip, found, errTip := tx.Tip()
	if err != nil || errTip != nil || !found || u.Slots != slots || tip.Height != height {
		t.Errorf("%d slots at block %d (%v, %v), want %d at %d", u.Slots, tip.Height, err, errTip, slots, height)
	}
	wantHeightInRows(t, tx, height)
	if row := inRows(t, tx)[manyID(0)]; row != u {
		t.Errorf("%+v is told, the row says %+v", u, row)
	}
}

// So it is where the tip came from memory and no row was read.
func TestAViewThatHasReadNothingStaysAsItBegan(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	mustUpdate(t, db, func(tx tower.Tx) error {
		return errors.Join(tx.PutUser(gatekeeper.User{ID: manyID(0), Slots: 9}), putTip(t, 1, nil)(tx))
	})
	mustView(t, db, func(tx tower.Tx) error {
		if err := wantTip(t, 1)(tx); err != nil {
			return err
		}
		mustUpdate(t, db, spend(t, 1, 2))
		wantState(t, tx, 9, 1)
		return nil
	})
}

// Readers of what the last commit left read no row, or all of this were for nothing; while
// a commit is on its way they do.
func TestReadersNeedNoRows(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	mustUpdate(t, db, func(tx tower.Tx) error {
		return errors.Join(tx.PutUser(gatekeeper.User{ID: manyID(0), Slots: 9}), putTip(t, 1, nil)(tx))
	})
	wantRead := func(what string, want int64) {
		t.Helper()
		mustView(t, db, func(x tower.Tx) error {
			_, err := x.User(manyID(0))
			_, _, errTip := x.Tip()
			if got := x.(*tx).read; got != want {
				t.Errorf("%s: read %d rows, want %d", what, got, want)
			}
			return errors.Join(err, errTip)
		})
	}
	wantRead("after a commit", 0)
	db.known.begin()
	wantRead("while a commit is on its way", 2)
	db.known.forget()
	wantRead("after a failure", 2)
}

// A commit that begins while a view takes its snapshot may be in it or not.
func TestACommitBesideASnapshotIsNotKnown(t *testing.T) {
	var k known
	k.begin()
	k.follow(touched{users: []gatekeeper.User{{Row: 1, ID: manyID(0)}}}, nil)
	for what, take := range map[string]func() error{
		"none": func() error { return nil }, "begun": func() error { k.begin(); return nil },
		"failed": func() error { return errNo },
	} {
		k.begin()
		k.follow(touched{}, nil)
		g, err := k.look(take)
		if (g != nil) != (what == "none") || (err != nil) != (what == "failed") {
			t.Errorf("%s: a snapshot %v, %v", what, g != nil, err)
		}
	}
}

// A height that was not kept is none, for readers, too.
func TestReadersLearnNoHeightThatWasNotKept(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	wantHeight := func(want uint32) {
		t.Helper()
		mustView(t, db, func(tx tower.Tx) error {
			tip, found, err := tx.Tip()
			if err != nil || found != (want > 0) || tip.Height != want {
				t.Errorf("height %d (%v, %v), want %d", tip.Height, found, err, want)
			}
			return nil
		})
	}
	wantHeight(0)
	together(t, db, putTip(t, 1, nil))
	wantHeight(1)
	together(t, db, putTip(t, 2, errNo))
	wantHeight(1)
	together(t, db, func(x tower.Tx) error { return errors.Join(putTip(t, 2, nil)(x), lose(x)) })
	wantHeight(1)
	together(t, db, name("a"), putTip(t, 2, errNo), putTip(t, 2, nil))
	wantHeight(2)
	together(t, db, func(tx tower.Tx) error { return tx.DropAbove(1) })
	wantHeight(1)
}
