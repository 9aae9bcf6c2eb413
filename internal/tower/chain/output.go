package chain

import (
	"encoding/binary"

	"github.com/btcsuite/btcd/wire/v2"
)

// Output returns the output at an index; found is false where tx has none, or
// its Raw is not known. The script points into Raw.
func (tx Tx) Output(index uint32) (out wire.TxOut, found bool) {
	c := cursor{buf: tx.Raw}
	c.next(4) // version
	if c.rest() > 1 && c.buf[c.off] == 0 && c.buf[c.off+1] == 1 {
		c.off += 2
	}
	c.inputs()
	n := c.count(minOutputSize)
	for i := range min(n, int(index)+1) {
		value, script := c.next(8), c.next(c.varint())
		if c.failed {
			break
		}
		if uint32(i) == index {
			out.Value = int64(binary.LittleEndian.Uint64(value)) //nolint:gosec // as it is serialised
			out.PkScript = script
			return out, true
		}
	}
	return out, false
}
