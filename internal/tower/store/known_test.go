package store

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

// cast are the users that a test of what is known plays with.
const cast = 6

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
			wantUser(t, "in a view", tx, manyID(n), rows[manyID(n)])
			return nil
		})
	}
	mustUpdate(t, db, func(tx tower.Tx) error { return wantKnown(t, tx) })
}

func wantKnown(t *testing.T, tx tower.Tx) error {
	t.Helper()
	rows := inRows(t, tx)
	for n := range cast {
		wantUser(t, "in a transaction", tx, manyID(n), rows[manyID(n)])
	}
	return nil
}

// deed does anything to anybody, in a transaction which may fail after it.
func deed(t *testing.T, r *rand.Rand) func(tower.Tx) error {
	n, what, value, fails := r.IntN(cast), r.IntN(7), r.Uint32N(50), r.IntN(4) == 0
	return func(tx tower.Tx) error {
		u, err := tx.User(manyID(n))
		switch {
		case errors.Is(err, gatekeeper.ErrNoUser) && what != 6:
			err = tx.PutUser(gatekeeper.User{ID: manyID(n), Slots: value, Expiry: value + 1})
		case errors.Is(err, gatekeeper.ErrNoUser):
			err = tx.PutUser(gatekeeper.User{ID: manyID(n), Row: 1 << 40}) // such a row is none
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
	kept, failed := 0, 0
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
		for _, err := range together(t, db, deeds...) {
			if err == nil {
				kept++
			} else {
				failed++
			}
		}
		wantAllKnown(t, db)
		if t.Failed() {
			t.Fatalf("after batch %d", seed)
		}
	}
	if kept < 300 || failed < 100 {
		t.Errorf("%d deeds were kept and %d failed: that tries too little", kept, failed)
	}
}

// Users whom another process changed are read anew, from the next transaction that writes.
func TestUsersOfAnotherProcessAreNoticed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	db := openFile(t, file)
	db.keeper.stop()
	mustUpdate(t, db, func(tx tower.Tx) error { return tx.PutUser(gatekeeper.User{ID: manyID(0), Slots: 9}) })
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
	mustUpdate(t, db, func(tx tower.Tx) error { return tx.PutUser(gatekeeper.User{ID: manyID(0), Slots: 9}) })
	mustUpdate(t, db, putTip(t, 1, nil))
	err := db.Update(t.Context(), func(x tower.Tx) error {
		return errors.Join(spend(t, 6, 2)(x), x.(*tx).conn.run("COMMIT"))
	})
	if err == nil {
		t.Error("a commit of nothing did not fail")
	}
	mustView(t, db, func(tx tower.Tx) error {
		tip, _, err := tx.Tip()
		if tip.Height != 2 {
			t.Errorf("the readers' height is %d, want 2", tip.Height)
		}
		return err
	})
	wantAllKnown(t, db)
}

// A row that is remembered and gone, if that ever were, costs one request and no more.
func TestARowThatIsGoneIsNoticed(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	mustUpdate(t, db, func(tx tower.Tx) error { return tx.PutUser(gatekeeper.User{ID: manyID(0), Slots: 9}) })
	db.known.follow(touched{users: []gatekeeper.User{{Row: 77, ID: manyID(0), Slots: 5}}}, nil)
	if err := db.Update(t.Context(), spend(t, 1, 1)); err == nil {
		t.Error("a row that is not there was written")
	}
	mustUpdate(t, db, spend(t, 1, 1))
	wantAllKnown(t, db)
}

// Who swallows a failure of the file is not told that anything was kept: SQLite may have
// undone all of it.
func TestASwallowedFailureIsNone(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	mustUpdate(t, db, func(tx tower.Tx) error { return tx.PutUser(gatekeeper.User{ID: manyID(0), Slots: 9}) })
	fill := func(x tower.Tx) error {
		if err := x.(*tx).conn.run("PRAGMA max_page_count = 1"); err != nil { // as many as there are
			return err
		}
		if err := x.SetIdentity("large", strings.Repeat("x", 1<<20)); err == nil {
			t.Error("a full file took a megabyte")
		}
		return x.(*tx).conn.run("PRAGMA max_page_count = 1000000")
	}
	for what, fs := range map[string][]func(tower.Tx) error{"alone": {fill}, "after others": {name("a"), fill}} {
		errs := together(t, db, fs...)
		if err := errs[len(errs)-1]; !errors.Is(err, tower.ErrFull) {
			t.Errorf("%s: got %v, want %v", what, err, tower.ErrFull)
		}
	}
	wantAllKnown(t, db)
}

func TestWhichStatementsChangeUsers(t *testing.T) {
	for query, want := range map[string]bool{
		`DELETE FROM users WHERE id = ?`:                        true,
		`delete  from users`:                                    true,
		`UPDATE users SET dialect = 1 RETURNING id`:             true,
		`UPDATE OR IGNORE users SET dialect = 1`:                true,
		`INSERT INTO users (id) VALUES (?)`:                     true,
		`INSERT OR REPLACE INTO users SELECT * FROM other`:      true,
		`REPLACE INTO users (id) VALUES (?)`:                    true,
		`SELECT 1 FROM users`:                                   false,
		`UPDATE totals SET users = users + ?`:                   false,
		`INSERT INTO resolutions SELECT 1 FROM a JOIN users u`:  false,
		`DELETE FROM knocks WHERE id IN (SELECT id FROM users)`: false,
		insertUser: false, updateLoad: false, updateUser: false, refundUser: false,
	} {
		if got := changesUsers(query); got != want {
			t.Errorf("%q: got %v, want %v", query, got, want)
		}
	}
}

// A deletion gives its user slots back; that makes nobody else unknown.
func TestARefundLeavesOthersKnown(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	giveSlot(t, db, 0, 20)
	mustUpdate(t, db, func(tx tower.Tx) error {
		u, err := tx.User(manyID(3))
		return errors.Join(err, tx.Refund(u.Row, gatekeeper.Load{Slots: 5}))
	})
	if u, ok := db.known.user(manyID(3)); len(db.known.users) != 20 || !ok || u.Slots != 6 {
		t.Errorf("%d users are known, and of the refunded %v, %d slots", len(db.known.users), ok, u.Slots)
	}
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
	if n := len(db.known.users); n != 2*maxTouched {
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
	for range 2 {
		if n := len(db.known.users); n != maxKnown {
			t.Errorf("%d users are known, want %d", n, maxKnown)
		}
		giveSlot(t, db, 5, 6) // nobody goes for one who is known, or read again
	}
}
