package store

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

// cast are the users that a test of what is known plays with.
const cast = 6

func castID(n int) (id teos.UserID) {
	id[0], id[1] = 2, byte(n)
	return id
}

func mustUpdate(t *testing.T, db *DB, f func(tower.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func mustView(t *testing.T, db *DB, f func(tower.Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// inRows returns users as their rows say it, whatever is known of them.
func inRows(t *testing.T, tx tower.Tx) map[teos.UserID]gatekeeper.User {
	t.Helper()
	list, err := tx.Users(tower.PageQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	users := map[teos.UserID]gatekeeper.User{}
	for _, u := range list {
		users[u.ID] = u
	}
	return users
}

func wantUser(t *testing.T, what string, tx tower.Tx, id teos.UserID, want gatekeeper.User) {
	t.Helper()
	got, err := tx.User(id)
	var wantErr error
	if want.Row == 0 {
		want.ID = id
		wantErr = gatekeeper.ErrNoUser
	}
	if got != want || !errors.Is(err, wantErr) {
		t.Errorf("%s: got %+v (%v), want %+v (%v)", what, got, err, want, wantErr)
	}
}

// wantAllKnown holds what is told of users against their rows, in a view, and in a
// transaction before and after.
func wantAllKnown(t *testing.T, db *DB) {
	t.Helper()
	var rows map[teos.UserID]gatekeeper.User
	mustView(t, db, func(tx tower.Tx) error { rows = inRows(t, tx); return nil })
	for n := range cast {
		mustView(t, db, func(tx tower.Tx) error {
			wantUser(t, "in a view", tx, castID(n), rows[castID(n)])
			return nil
		})
	}
	mustUpdate(t, db, func(tx tower.Tx) error { return wantKnown(t, tx) })
}

func wantKnown(t *testing.T, tx tower.Tx) error {
	t.Helper()
	rows := inRows(t, tx)
	for n := range cast {
		wantUser(t, "in a transaction", tx, castID(n), rows[castID(n)])
	}
	return nil
}

// deed does anything to anybody, in a transaction which may fail after it.
func deed(t *testing.T, r *rand.Rand) func(tower.Tx) error {
	n, what, value, fails := r.IntN(cast), r.IntN(7), r.Uint32N(50), r.IntN(4) == 0
	return func(tx tower.Tx) error {
		u, err := tx.User(castID(n))
		switch {
		case errors.Is(err, gatekeeper.ErrNoUser) && what != 6:
			err = tx.PutUser(gatekeeper.User{ID: castID(n), Slots: value, Expiry: value + 1})
		case errors.Is(err, gatekeeper.ErrNoUser):
			err = tx.PutUser(gatekeeper.User{ID: castID(n), Row: 1 << 40}) // such a row is none
		case what == 0:
			err = tx.Refund(u.Row, gatekeeper.Load{Slots: uint64(value)})
		case what == 1:
			err = tx.DropUser(u.Row)
		case what == 2:
			_, _, err = tx.DropExpired(value / 4)
		default:
			u.Slots, u.Since = value, u.Since+int64(value%3)-1
			u.Dialect, u.Expiry = teos.Dialect(value%3/2), u.Expiry+value%5/4
			err = tx.PutUser(u)
		}
		if err == nil {
			err = wantKnown(t, tx)
		}
		if fails {
			err = errors.Join(err, errNo)
		}
		return err
	}
}

// What the tower believes of a user is what it would read: after whatever was done to
// users, alone and in a batch, kept, refused or lost with the batch.
func TestWhatIsKnownOfUsersIsInTheirRows(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		deeds := make([]func(tower.Tx) error, 1+r.IntN(4))
		for i := range deeds {
			deeds[i] = deed(t, r)
		}
		if r.IntN(8) == 0 {
			last := deeds[len(deeds)-1]
			deeds[len(deeds)-1] = func(x tower.Tx) error { return errors.Join(last(x), lose(x)) }
		}
		together(t, db, deeds...)
		wantAllKnown(t, db)
		if t.Failed() {
			t.Fatalf("after batch %d", seed)
		}
	}
}

// A view has one state of the store: what was committed after it began is not in it.
func TestAViewStaysAsItBegan(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	put := func(slots uint32, height uint32) func(tower.Tx) error {
		return func(tx tower.Tx) error {
			u, err := tx.User(castID(0))
			if errors.Is(err, gatekeeper.ErrNoUser) {
				u, err = gatekeeper.User{ID: castID(0)}, nil
			}
			u.Slots = slots
			return errors.Join(err, tx.PutUser(u), putTip(t, height, nil)(tx))
		}
	}
	wantState := func(tx tower.Tx, slots, height uint32) {
		t.Helper()
		u, err := tx.User(castID(0))
		h, found, errHeight := tx.Height()
		if err != nil || errHeight != nil || !found || u.Slots != slots || h != height {
			t.Errorf("%d slots at block %d (%v, %v), want %d at %d", u.Slots, h, err, errHeight, slots, height)
		}
	}
	mustUpdate(t, db, put(7, 1))
	mustView(t, db, func(tx tower.Tx) error {
		if _, err := tx.Identity("any"); err != nil {
			return err
		}
		mustUpdate(t, db, put(8, 2))
		wantState(tx, 7, 1)
		return nil
	})
	mustView(t, db, func(tx tower.Tx) error { wantState(tx, 8, 2); return nil })
}

// A height that was not kept is none, for readers, too.
func TestReadersLearnNoHeightThatWasNotKept(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	wantHeight := func(want uint32) {
		t.Helper()
		mustView(t, db, func(tx tower.Tx) error {
			h, found, err := tx.Height()
			if err != nil || found != (want > 0) || h != want {
				t.Errorf("height %d (%v, %v), want %d", h, found, err, want)
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
	if db.memory.tip.Load() == nil {
		t.Error("the readers have to read the height")
	}
	wantHeight(1)
}

// Users whom another process changed are read anew, from the next transaction that writes.
func TestUsersOfAnotherProcessAreNoticed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	db := openFile(t, file)
	db.keeper.stop()
	mustUpdate(t, db, func(tx tower.Tx) error { return tx.PutUser(gatekeeper.User{ID: castID(0), Slots: 9}) })
	if _, err := raw(t, file).ExecContext(t.Context(), `UPDATE users SET available_slots = 3`); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, db, func(tx tower.Tx) error { return wantKnown(t, tx) })
	wantAllKnown(t, db)
}

// A commit that fails may have been kept all the same: nothing is known after it.
func TestAFailedCommitLeavesNothingKnown(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	mustUpdate(t, db, func(tx tower.Tx) error { return tx.PutUser(gatekeeper.User{ID: castID(0), Slots: 9}) })
	err := db.Update(t.Context(), func(x tower.Tx) error {
		u, err := x.User(castID(0))
		u.Slots = 3
		return errors.Join(err, x.PutUser(u), putTip(t, 1, nil)(x), x.(*tx).conn.run("COMMIT"))
	})
	if err == nil {
		t.Error("a commit of nothing did not fail")
	}
	mustView(t, db, func(tx tower.Tx) error {
		h, _, err := tx.Height()
		if h != 1 {
			t.Errorf("the readers' height is %d, want 1", h)
		}
		return err
	})
	wantAllKnown(t, db)
}

// What is remembered of a user, if it ever were wrong, costs one request and no more.
func TestAWrongMemoryOfAUserHeals(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	mustUpdate(t, db, func(tx tower.Tx) error { return tx.PutUser(gatekeeper.User{ID: castID(0), Slots: 9}) })
	db.users.follow(touched{users: []gatekeeper.User{{Row: 77, ID: castID(0), Slots: 5}}})
	spend := func(tx tower.Tx) error {
		u, err := tx.User(castID(0))
		u.Slots--
		return errors.Join(err, tx.PutUser(u))
	}
	if err := db.Update(t.Context(), spend); err == nil {
		t.Error("a row that is not there was written")
	}
	mustUpdate(t, db, spend)
	wantAllKnown(t, db)
}

func manyID(n int) (id teos.UserID) {
	id[0], id[1], id[2] = 3, byte(n>>8), byte(n)
	return id
}

// giveSlot gives users a slot more, in one transaction; new ones have one.
func giveSlot(t *testing.T, db *DB, from, to int) {
	t.Helper()
	mustUpdate(t, db, func(tx tower.Tx) error {
		for n := from; n < to; n++ {
			u, err := tx.User(manyID(n))
			if errors.Is(err, gatekeeper.ErrNoUser) {
				err = nil
			}
			u.Slots++
			if err := errors.Join(err, tx.PutUser(u)); err != nil {
				return err
			}
		}
		return nil
	})
}

// However many users one transaction touches, the right ones are known after it.
func TestOneTransactionMayTouchManyUsers(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	for from := 0; from < 2*maxTouched; from += maxTouched {
		giveSlot(t, db, from, from+maxTouched)
	}
	if n := len(db.users.users); n != 2*maxTouched {
		t.Errorf("%d users are known, want %d", n, 2*maxTouched)
	}
	for i, many := range []int{maxTouched, maxTouched + 1} {
		giveSlot(t, db, 0, many)
		for n, want := range map[int]uint32{0: uint32(2 + i), maxTouched - 1: uint32(2 + i), maxTouched: uint32(1 + i), maxTouched + 1: 1} {
			mustView(t, db, func(tx tower.Tx) error {
				if u, err := tx.User(manyID(n)); err != nil || u.Slots != want {
					t.Errorf("after %d users: user %d has %d slots (%v), want %d", many, n, u.Slots, err, want)
				}
				return nil
			})
		}
	}
}

func TestSoManyUsersAreKnown(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	for from := 0; from <= maxKnown; from += maxTouched {
		giveSlot(t, db, from, from+maxTouched)
	}
	if n := len(db.users.users); n != maxKnown {
		t.Errorf("%d users are known, want %d", n, maxKnown)
	}
}
