package watcher_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

var (
	dispute = chaintest.Dispute(1)
	id      = dispute.TxHash()
	penalty = chaintest.Penalty(dispute, 0)
)

// Locator and key are tried in each dialect, whatever the other one's is.
func TestEitherByteOrderOfLocatorAndKey(t *testing.T) {
	for _, locator := range []teos.Dialect{teos.V1, teos.V2} {
		for _, key := range []teos.Dialect{teos.V1, teos.V2} {
			t.Run(locator.String()+" locator, "+key.String()+" key", func(t *testing.T) {
				inTx(t, func(tx tower.Tx) {
					put(t, tx, 1, teos.NewLocator(locator, id), teos.EncryptBlob(key, id, chaintest.Bytes(penalty)))
					ms := scan(t, tx, block(chaintest.Dispute(2), dispute, chaintest.Dispute(3)))
					if len(ms) != 1 {
						t.Fatalf("%d matches", len(ms))
					}
					m := ms[0]
					if m.Err != nil || m.Dispute.ID != id || m.Penalty.ID != penalty.TxHash() {
						t.Errorf("match %+v", m)
					}
					if !bytes.Equal(m.Penalty.Raw, chaintest.Bytes(penalty)) || !bytes.Equal(m.Dispute.Raw, chaintest.Bytes(dispute)) {
						t.Error("not the bytes that were encrypted, or not those of the block")
					}
				})
			})
		}
	}
}

func TestEachUserOfALocatorIsAnswered(t *testing.T) {
	inTx(t, func(tx tower.Tx) {
		l := teos.NewLocator(teos.V2, id)
		rows := map[int64]bool{
			put(t, tx, 1, l, blobOf(penalty)).Row:                            true,
			put(t, tx, 2, l, blobOf(chaintest.Penalty(dispute, 5))).Row:      true,
			put(t, tx, 3, teos.NewLocator(teos.V1, id), blobOf(penalty)).Row: true,
		}
		put(t, tx, 4, l, []byte("junk"))
		failed := 0
		for _, m := range scan(t, tx, block(dispute)) {
			if m.Err != nil {
				failed++
				continue
			}
			delete(rows, m.Appointment.Row)
		}
		if len(rows) != 0 || failed != 1 {
			t.Errorf("users %v were not answered; %d could not be", rows, failed)
		}
	})
}

// An id may read the same both ways as far as a locator goes.
func TestAPalindromicIDMatchesOnce(t *testing.T) {
	var pal chainhash.Hash
	for i := range 16 {
		pal[i], pal[31-i] = byte(i), byte(i)
	}
	if ls := watcher.Locators(pal); ls[0] != ls[1] {
		t.Fatalf("locators %v", ls)
	}
	// At every place in the block, so that no border of a query doubles it.
	for _, before := range []int{0, 1, 249, 250, 499, 500} {
		inTx(t, func(tx tower.Tx) {
			put(t, tx, 1, watcher.Locators(pal)[0], blobOf(penalty))
			b := &chain.Block{Height: 1}
			for n := range before {
				b.Txs = append(b.Txs, towertest.Tx(chaintest.Dispute(uint32(100+n))))
			}
			b.Txs = append(b.Txs, chain.Tx{ID: pal})
			if ms := scan(t, tx, b); len(ms) != 1 || !errors.Is(ms[0].Err, watcher.ErrNoPenalty) {
				t.Errorf("after %d: matches %+v", before, ms)
			}
			// It is stored once among the recent ones.
			if err := tx.PutBlock(b, true); err != nil {
				t.Fatal(err)
			}
			if got, _, found, err := tx.RecentTransaction(watcher.Locators(pal)[1]); err != nil || !found || got != pal {
				t.Errorf("after %d: %v, %t, %v", before, got, found, err)
			}
		})
	}
}

func TestNothingButASpendOfTheDisputeIsAPenalty(t *testing.T) {
	stranger := chaintest.Penalty(chaintest.Dispute(2), 0)
	seal := func(plain []byte) []byte { return teos.EncryptBlob(teos.V2, id, plain) }
	whole := chaintest.Bytes(penalty)
	for name, blob := range map[string][]byte{
		"nothing":              nil,
		"shorter than its tag": {1, 2, 3},
		"junk":                 bytes.Repeat([]byte{7}, 300),
		"another key":          teos.EncryptBlob(teos.V2, chaintest.Dispute(2).TxHash(), whole),
		"sealed emptiness":     seal(nil),
		"sealed junk":          seal(bytes.Repeat([]byte{7}, 300)),
		"sealed huge junk":     seal(make([]byte, 4<<20)),
		"cut":                  seal(whole[:len(whole)-1]),
		"with more behind":     seal(append(bytes.Clone(whole), 0)),
		"another's spend":      seal(chaintest.Bytes(stranger)),
		"the dispute itself":   seal(chaintest.Bytes(dispute)),
		"a rival of it":        seal(chaintest.Bytes(rivalOf(dispute))),
		"v1, another's spend":  teos.EncryptBlob(teos.V1, id, chaintest.Bytes(stranger)),
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := watcher.Penalty(id, blob)
			if !errors.Is(err, watcher.ErrNoPenalty) || tx.Raw != nil {
				t.Errorf("got %v, %v, want %v", tx.ID, err, watcher.ErrNoPenalty)
			}
		})
	}
}

func TestAPenaltyMaySpendMoreThanTheDispute(t *testing.T) {
	tx := penalty.Copy()
	tx.TxIn = append([]*wire.TxIn{wire.NewTxIn(&wire.OutPoint{Index: 3}, nil, nil)}, tx.TxIn...)
	for range 5000 {
		tx.AddTxOut(wire.NewTxOut(1, bytes.Repeat([]byte{0x51}, 34)))
	}
	got, err := watcher.Penalty(id, blobOf(tx))
	if err != nil || got.ID != tx.TxHash() || len(got.Inputs) != 2 {
		t.Errorf("got %v, %v", got.ID, err)
	}
}

func TestABlockOfStrangersMatchesNothing(t *testing.T) {
	inTx(t, func(tx tower.Tx) {
		put(t, tx, 1, teos.NewLocator(teos.V2, id), blobOf(penalty))
		if ms := scan(t, tx, block(chaintest.Dispute(2), penalty)); len(ms) != 0 {
			t.Errorf("matches %+v", ms)
		}
		if ms := scan(t, tx, &chain.Block{}); len(ms) != 0 {
			t.Errorf("matches in nothing: %+v", ms)
		}
	})
}

func rivalOf(tx *wire.MsgTx) *wire.MsgTx {
	rival := tx.Copy()
	rival.LockTime = 99
	return rival
}

func blobOf(tx *wire.MsgTx) []byte { return teos.EncryptBlob(teos.V2, id, chaintest.Bytes(tx)) }

func block(txs ...*wire.MsgTx) *chain.Block { return chaintest.New().Mine(txs...) }

func inTx(t *testing.T, f func(tx tower.Tx)) {
	t.Helper()
	towertest.Update(t, towertest.Open(t, towertest.File(t)), func(tx tower.Tx) error { f(tx); return nil })
}

func scan(t *testing.T, tx tower.Tx, b *chain.Block) []watcher.Match {
	t.Helper()
	var ms []watcher.Match
	err := watcher.Scan(tx, b, func(m watcher.Match) error {
		ms = append(ms, m)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func put(t *testing.T, tx tower.Tx, n byte, l teos.Locator, blob []byte) watcher.Appointment {
	t.Helper()
	user := towertest.NewUser(n, teos.V2)
	if err := tx.PutUser(gatekeeper.User{ID: user.ID(), Dialect: teos.V2, Slots: 1, Expiry: 1000}); err != nil {
		t.Fatal(err)
	}
	u, err := tx.User(user.ID())
	if err != nil {
		t.Fatal(err)
	}
	a := watcher.Appointment{UserRow: u.Row, Appointment: teos.Appointment{Locator: l, EncryptedBlob: blob}}
	a.UserSignature = teos.Sign(user.Key, a.Message())
	if a.Row, err = tx.PutAppointment(a); err != nil {
		t.Fatal(err)
	}
	return a
}
