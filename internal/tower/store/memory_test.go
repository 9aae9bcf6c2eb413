package store

import (
	"encoding/binary"
	"path/filepath"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/watcher"
)

func locator(n uint64) (l teos.Locator) {
	binary.BigEndian.PutUint64(l[:], n)
	return l
}

func put(n uint64) func(tower.Tx) error {
	return func(tx tower.Tx) error {
		_, err := tx.PutAppointment(watcher.Appointment{UserRow: 1, Appointment: teos.Appointment{
			Locator: locator(n), EncryptedBlob: []byte{1},
		}})
		return err
	}
}

func withUser(t *testing.T, db *DB) {
	t.Helper()
	mustUpdate(t, db, func(tx tower.Tx) error { return tx.PutUser(gatekeeper.User{Slots: 9, Expiry: 100}) })
}

func found(t *testing.T, db *DB, n uint64) bool {
	t.Helper()
	var rows []int64
	mustView(t, db, func(tx tower.Tx) (err error) {
		rows, err = tx.RowsAt([]teos.Locator{locator(n)})
		return err
	})
	return len(rows) == 1
}

// A locator that a sieve misses is a breach that the tower misses: none may be,
// whatever is written while the sieve is made anew.
func TestASieveMissesNothing(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	withUser(t, db)
	const each, writers = 300, 4
	var work sync.WaitGroup
	for w := range uint64(writers) {
		work.Go(func() {
			for n := range uint64(each) {
				if err := db.Update(t.Context(), put(w*each+n)); err != nil {
					t.Error(err)
				}
				if !found(t, db, w*each+n) {
					t.Errorf("%d is missed after its commit", w*each+n)
				}
			}
		})
	}
	work.Go(func() {
		for i := range 50 {
			if i%10 == 9 {
				db.forget()
			}
			if err := db.sift(t.Context(), &db.locators, db.density.keysAndRows()); err != nil {
				t.Error(err)
			}
		}
	})
	work.Wait()
	if db.locators.wanting() {
		t.Error("no sieve is in place")
	}
	for n := range uint64(writers * each) {
		if !found(t, db, n) {
			t.Errorf("%d is missed", n)
		}
	}
	passed := 0
	for n := range uint64(2000) {
		l := locator(1<<40 + n)
		if db.locators.mayHave(l[:]) {
			passed++
		}
	}
	if passed > 100 {
		t.Errorf("%d of 2000 absent locators pass", passed)
	}
}

func TestWhatOthersWriteIsNotMissed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	db := openFile(t, file)
	db.keeper.stop()
	withUser(t, db)
	if err := db.remember(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := locator(7)
	if found(t, db, 7) || db.locators.mayHave(l[:]) {
		t.Fatal("found before it was there")
	}
	_, err := raw(t, file).ExecContext(t.Context(), `INSERT INTO appointments VALUES (1, ?, 1, x'00', 0, ?, 0)`,
		l[:], append([]byte{31}, make([]byte, teos.SignatureSize-1)...))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx tower.Tx) error {
		_, err := tx.Appointment(1, l)
		return err
	}); err != nil {
		t.Errorf("in the next update: %v", err)
	}
	if !found(t, db, 7) {
		t.Error("missed in a view after it")
	}
}

func TestRecentsMissNothing(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	id := func(height, version uint32) chainhash.Hash {
		return chainhash.HashH(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, height), version))
	}
	block := func(height, version uint32) *chain.Block {
		b := &chain.Block{Txs: []chain.Tx{{ID: id(height, version)}}}
		b.Height, b.Hash = height, id(height, version+100)
		return b
	}
	want := func(when string, height, version uint32, want bool) {
		t.Helper()
		for _, l := range watcher.Locators(id(height, version)) {
			if err := db.Update(t.Context(), func(tx tower.Tx) error {
				_, at, found, err := tx.RecentTransaction(l)
				if found != want || found && at != height {
					t.Errorf("%s: %d of version %d is found: %v, at %d", when, height, version, found, at)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	do := func(f func(tower.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	do(func(tx tower.Tx) error { return tx.PutBlock(block(1, 0), true) })
	want("before all are known", 1, 0, true)
	if err := db.remember(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("after", 1, 0, true)
	do(func(tx tower.Tx) error { return tx.PutBlock(block(2, 0), true) })
	want("a new one", 2, 0, true)
	err := db.Update(t.Context(), func(tx tower.Tx) error {
		if err := tx.DropAbove(0); err != nil {
			return err
		}
		if err := tx.PutBlock(block(1, 1), true); err != nil {
			return err
		}
		return errNo
	})
	if err == nil {
		t.Fatal("a function that failed was kept")
	}
	want("after a fork that was not kept", 1, 0, true)
	want("of the fork that was not kept", 1, 1, false)
	do(func(tx tower.Tx) error { return tx.DropAbove(1) })
	do(func(tx tower.Tx) error { return tx.PutBlock(block(2, 1), true) })
	want("of the branch that was left", 2, 0, false)
	want("of the new branch", 2, 1, true)
	do(func(tx tower.Tx) error { return tx.CutRecent(2) })
	want("cut", 1, 0, false)
	want("not cut", 2, 1, true)
	if n := len(db.recents.blocks); n != 2 { // of both branches
		t.Errorf("%d blocks are kept in memory", n)
	}
}

func TestDeletionsGiveSpaceBack(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	withUser(t, db)
	do := func(f func(tower.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	const many = dropAtOnce + 1000
	do(func(tx tower.Tx) error {
		for n := range uint64(many) {
			_, err := tx.PutAppointment(watcher.Appointment{UserRow: 1, Appointment: teos.Appointment{
				Locator: locator(n), EncryptedBlob: make([]byte, 2000),
			}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for i, want := range []int64{dropAtOnce, many - dropAtOnce, 0} {
		do(func(tx tower.Tx) error {
			got, users, err := tx.DropExpired(100)
			if got != want || users != map[int]int64{1: 1}[i] {
				t.Errorf("time %d: %d appointments and %d users are dropped, want %d", i, got, users, want)
			}
			return err
		})
	}
	if free, err := db.free(t.Context()); err != nil || free < 2000 {
		t.Fatalf("%d pages are free, %v", free, err)
	}
	if err := db.giveBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if free, err := db.free(t.Context()); err != nil || free > spare {
		t.Errorf("%d pages stay free, %v", free, err)
	}
}
