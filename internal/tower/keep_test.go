package tower_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/chain/chaintest"
)

// TestKeepAStore writes the store that internal/tower/store keeps of each released
// schema, where VIGIL_KEEP_SCHEMA names a file: see docs/releasing.md.
func TestKeepAStore(t *testing.T) {
	keep := os.Getenv("VIGIL_KEEP_SCHEMA")
	if keep == "" {
		t.Skip("only when a version is released")
	}
	b := newBench(t)
	for range 6 {
		b.register(alice)
		b.register(bob)
	}
	for n := uint32(1); n <= 7; n++ {
		u := alice
		if n%2 == 0 {
			u = bob
		}
		b.add(u, appointment(u, n, int(n)*1000))
	}
	b.mine(chaintest.Dispute(6), chaintest.Dispute(7))
	d7 := chaintest.Dispute(7)
	a6 := b.penaltyOf(6)
	b.mine(a6, chaintest.Penalty(d7, 9))
	b.mineEmpty(100)
	b.mine(chaintest.Dispute(3), chaintest.Dispute(4), chaintest.Dispute(5))
	b.mine(b.penaltyOf(4), chaintest.Penalty(chaintest.Dispute(5), 9))
	b.mineEmpty(3)
	_, err := b.store.Backup(t.Context(), keep, nil)
	b.must(err)
}

func (b *bench) penaltyOf(n uint32) *wire.MsgTx {
	raw, err := teos.DecryptBlob(bob.Dialect, chaintest.Dispute(n).TxHash(), appointment(bob, n, int(n)*1000).EncryptedBlob)
	b.must(err)
	var tx wire.MsgTx
	b.must(tx.Deserialize(bytes.NewReader(raw)))
	return &tx
}
