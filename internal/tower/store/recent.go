package store

import (
	"database/sql"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/watcher"
)

// PutRecent implements tower.BlockStore. A block's transactions are one row, their
// ids one after the other: it is written and cut as a whole.
func (t *tx) PutRecent(b *chain.Block) error {
	ids := make([]chainhash.Hash, len(b.Txs))
	raw := make([]byte, 0, len(b.Txs)*chainhash.HashSize)
	for i := range b.Txs {
		ids[i] = b.Txs[i].ID
		raw = append(raw, ids[i][:]...)
	}
	t.memory.recents.add(chain.Header{Height: b.Height, Hash: b.Hash}, ids)
	_, err := t.exec("store recent transactions", `
		INSERT INTO recent_blocks (height, txids) VALUES (?, ?)
		ON CONFLICT (height) DO UPDATE SET txids = excluded.txids`, b.Height, raw)
	return err
}

// CutRecent implements tower.BlockStore.
func (t *tx) CutRecent(below uint32) error {
	n, err := t.exec("cut recent transactions", `DELETE FROM recent_blocks WHERE height < ?`, below)
	if n > 0 {
		t.committed = append(t.committed, func() { t.memory.recents.cut(below) })
	}
	return err
}

// LowestRecent implements tower.BlockStore.
func (t *tx) LowestRecent() (chain.Header, bool, error) {
	return t.header(`WHERE height = (SELECT MIN(height) FROM recent_blocks)`)
}

// RecentTransaction implements watcher.Store.
func (t *tx) RecentTransaction(l teos.Locator) (id chainhash.Hash, height uint32, found bool, err error) {
	heights, known := t.memory.recents.heights(l)
	if !known {
		if heights, err = t.recentHeights(); err != nil {
			return id, 0, false, err
		}
	}
	for _, height := range heights {
		if id, found, err = t.recentIn(height, l); err != nil || found {
			return id, height, found, err
		}
	}
	return id, 0, false, nil
}

func (t *tx) recentHeights() (heights []uint32, err error) {
	err = t.all("list recent blocks", `SELECT height FROM recent_blocks ORDER BY height DESC`, nil,
		func(rows *sql.Rows) error {
			var height uint32
			err := rows.Scan(&height)
			heights = append(heights, height)
			return err
		})
	return heights, err
}

func (t *tx) recentIn(height uint32, l teos.Locator) (id chainhash.Hash, found bool, err error) {
	ids, err := t.recentIDs(height)
	for _, id := range ids {
		if ls := watcher.Locators(id); ls[0] == l || ls[1] == l {
			return id, true, nil
		}
	}
	return id, false, err
}

func (t *tx) recentIDs(height uint32) (ids []chainhash.Hash, err error) {
	var raw []byte
	_, err = t.one("look recent transactions up", `SELECT txids FROM recent_blocks WHERE height = ?`,
		[]any{height}, []any{&raw})
	for ; len(raw) >= chainhash.HashSize; raw = raw[chainhash.HashSize:] {
		ids = append(ids, chainhash.Hash(raw[:chainhash.HashSize]))
	}
	return ids, err
}
