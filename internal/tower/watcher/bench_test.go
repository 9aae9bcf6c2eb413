package watcher_test

import (
	"encoding/binary"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/watcher"
)

// noHits is a store in which no locator is found, at no cost.
type noHits struct{ watcher.Store }

func (noHits) RowsAt([]teos.Locator) ([]int64, error) { return nil, nil }

// What a block of 5,000 transactions costs besides the store.
func BenchmarkScan(b *testing.B) {
	block := &chain.Block{Txs: make([]chain.Tx, 5_000)}
	for i := range block.Txs {
		block.Txs[i].ID = chainhash.HashH(binary.LittleEndian.AppendUint32(nil, uint32(i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := watcher.Scan(noHits{}, block, nil); err != nil {
			b.Fatal(err)
		}
	}
}
