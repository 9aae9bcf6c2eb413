package store

import (
	"math"

	"vigil/internal/tower/chain"
)

const selectHeader = `SELECT height, hash, prev FROM blocks `

func (t *tx) header(where string, args ...any) (h chain.Header, found bool, err error) {
	var hash, prev []byte
	found, err = t.one("read a header", selectHeader+where, args, []any{&h.Height, &hash, &prev})
	if err != nil || !found {
		return h, found, err
	}
	if err := setHash(&h.Hash, hash); err != nil {
		return h, found, err
	}
	return h, found, setHash(&h.Prev, prev)
}

// Tip implements tower.BlockStore. It is read where it is not known.
func (t *tx) Tip() (tip chain.Header, found bool, err error) {
	known, err := t.knownTip()
	if err != nil {
		return tip, false, err
	}
	if known != nil {
		return *known, true, nil
	}
	tip, found, err = t.header(`ORDER BY height DESC LIMIT 1`)
	if err == nil && found && t.batch != nil {
		t.batch.tip = &tip
	}
	return tip, found, err
}

// moving is for right before blocks are written: nothing is known of the tip while it is
// not known how that went. It returns what was known.
func (t *tx) moving() (was *chain.Header) {
	if t.batch != nil {
		was, t.batch.tip = t.batch.tip, nil
	}
	return was
}

// moved is for after it: the tip is the one that was, unless it was above or below what
// is there now.
func (t *tx) moved(was *chain.Header, lowest, highest uint32) {
	if was != nil && lowest <= was.Height && was.Height <= highest {
		t.batch.tip = was
	}
}

// Lowest implements tower.BlockStore.
func (t *tx) Lowest() (chain.Header, bool, error) { return t.header(`ORDER BY height LIMIT 1`) }

// Header implements tower.BlockStore.
func (t *tx) Header(height uint32) (chain.Header, bool, error) {
	return t.header(`WHERE height = ?`, height)
}

// PutBlock implements tower.BlockStore.
func (t *tx) PutBlock(b *chain.Block, recent bool) error {
	tip := t.moving()
	_, err := t.exec("store a block", `INSERT INTO blocks (height, hash, prev) VALUES (?, ?, ?)`,
		b.Height, b.Hash[:], b.Prev[:])
	if err != nil {
		return err
	}
	if tip != nil && tip.Height < b.Height {
		tip = &chain.Header{Height: b.Height, Hash: b.Hash, Prev: b.Prev}
	}
	t.moved(tip, 0, math.MaxUint32)
	if !recent {
		return nil
	}
	return t.PutRecent(b)
}

// DropAbove implements tower.BlockStore.
func (t *tx) DropAbove(height uint32) error {
	tip := t.moving()
	if _, err := t.exec("drop blocks", `DELETE FROM blocks WHERE height > ?`, height); err != nil {
		return err
	}
	t.moved(tip, 0, height)
	_, err := t.exec("drop recent transactions", `DELETE FROM recent_blocks WHERE height > ?`, height)
	return err
}

// CutBlocks implements tower.BlockStore.
func (t *tx) CutBlocks(below uint32) error {
	tip := t.moving()
	if _, err := t.exec("cut blocks", `DELETE FROM blocks WHERE height < ?`, below); err != nil {
		return err
	}
	t.moved(tip, below, math.MaxUint32)
	return t.CutRecent(below)
}

// AddBlind implements tower.BlockStore.
func (t *tx) AddBlind(from, to uint32) error {
	_, err := t.exec("note a blind range", `
		INSERT INTO blind_ranges (from_height, to_height) VALUES (?, ?)
		ON CONFLICT (from_height) DO UPDATE SET to_height = MAX(to_height, excluded.to_height)`, from, to)
	return err
}

// IsBlind implements tower.BlockStore.
func (t *tx) IsBlind(height uint32) (bool, error) {
	var one int
	return t.one("look a blind range up", `
		SELECT 1 FROM blind_ranges WHERE ? BETWEEN from_height AND to_height LIMIT 1`, []any{height}, []any{&one})
}
