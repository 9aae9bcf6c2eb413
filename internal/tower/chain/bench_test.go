package chain_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// ordinaryBlock is a full block of mainnet's kind: 5,000 transactions of about
// 800 bytes each, three inputs with signatures and two outputs.
func ordinaryBlock(tb testing.TB) []byte {
	tb.Helper()
	random := rand.NewChaCha8([32]byte{1})
	fill := func(n int) []byte {
		b := make([]byte, n)
		_, _ = random.Read(b)
		return b
	}
	txs := make([]*wire.MsgTx, 4_999)
	for i := range txs {
		tx := wire.NewMsgTx(2)
		for range 3 {
			in := wire.NewTxIn(&wire.OutPoint{Index: uint32(i)}, nil, wire.TxWitness{fill(72), fill(33), fill(80)})
			_, _ = random.Read(in.PreviousOutPoint.Hash[:])
			tx.AddTxIn(in)
		}
		for range 2 {
			tx.AddTxOut(wire.NewTxOut(int64(i), append([]byte{0, 20}, fill(20)...)))
		}
		txs[i] = tx
	}
	return blockOf(tb, txs)
}

// blockOfFew is a block of the same size with ten transactions.
func blockOfFew(tb testing.TB) []byte {
	tb.Helper()
	txs := make([]*wire.MsgTx, 10)
	for i := range txs {
		txs[i] = chaintest.Dispute(uint32(i))
		txs[i].TxIn[0].Witness = wire.TxWitness{make([]byte, 390_000)}
	}
	return blockOf(tb, txs)
}

func blockOf(tb testing.TB, txs []*wire.MsgTx) []byte {
	tb.Helper()
	var raw bytes.Buffer
	if err := chaintest.NewBlock([32]byte{}, 1, 0, txs...).Serialize(&raw); err != nil {
		tb.Fatal(err)
	}
	return raw.Bytes()
}

func BenchmarkParseBlock(b *testing.B) {
	params, err := chain.ParamsFor("regtest")
	if err != nil {
		b.Fatal(err)
	}
	for name, raw := range map[string][]byte{"5000 txs": ordinaryBlock(b), "10 txs": blockOfFew(b)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := params.ParseBlock(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
