package chain

import (
	"encoding/binary"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// Sizes in bytes of the smallest things that consensus lets into a block: no
// transaction is without an input or an output (Bitcoin Core's
// CheckTransaction). They bound what a count may make us allocate.
const (
	minInputSize  = 32 + 4 + 1 + 4
	minOutputSize = 8 + 1
	minTxSize     = 4 + 1 + minInputSize + 1 + minOutputSize + 4
)

// cursor walks over serialised bytes without copying them. After a read that
// fails, failed stays true and every read gives zero values; so a caller
// checks once, at the end.
//
// It exists beside wire.MsgTx because that one copies every script, has to
// serialise again for the txid, and believes counts: 73 malformed bytes make
// it allocate 96 MB.
type cursor struct {
	buf    []byte
	off    int
	failed bool
	free   []wire.OutPoint // made, and not given out yet
}

// manyOutPoints is how many are made at once where a block's are.
const manyOutPoints = 1024

func (c *cursor) rest() int { return len(c.buf) - c.off }

func (c *cursor) fail() {
	c.failed = true
	c.off = len(c.buf)
}

// next returns the next n bytes, or nil.
func (c *cursor) next(n uint64) []byte {
	if n > uint64(c.rest()) {
		c.fail()
		return nil
	}
	from := c.off
	c.off += int(n)
	return c.buf[from:c.off:c.off]
}

func (c *cursor) uint32() uint32 {
	if b := c.next(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// varint reads a CompactSize; one longer than need be fails.
func (c *cursor) varint() uint64 {
	first := c.next(1)
	if first == nil || first[0] < 0xfd {
		return leUint64(first)
	}
	size := uint64(2) << (first[0] - 0xfd)
	v := leUint64(c.next(size))
	if v < 0xfd || size > 2 && v>>(size*4) == 0 {
		c.fail()
		return 0
	}
	return v
}

// leUint64 reads up to eight bytes, the lowest first.
func leUint64(b []byte) (v uint64) {
	for i, x := range b {
		v |= uint64(x) << (8 * i)
	}
	return v
}

// count reads how many elements follow, each at least size bytes long; more
// than fit into the rest fail before anything is allocated for them.
func (c *cursor) count(size int) int {
	n := c.varint()
	if n > uint64(c.rest()/size) {
		c.fail()
		return 0
	}
	return int(n)
}

func (c *cursor) tx() Tx {
	start := c.off
	version := c.next(4)
	segwit := c.rest() > 1 && c.buf[c.off] == 0 && c.buf[c.off+1] == 1
	if segwit {
		c.off += 2
	}
	body := c.off
	inputs := c.inputs()
	outputs := c.outputs()
	bodyEnd := c.off
	if segwit {
		c.witnesses(len(inputs))
	}
	lockTime := c.next(4)
	if c.failed {
		return Tx{}
	}
	return Tx{
		ID:     txid(version, c.buf[body:bodyEnd], lockTime),
		Raw:    c.buf[start:c.off:c.off],
		Inputs: inputs, Outputs: uint32(outputs),
	}
}

func (c *cursor) inputs() []wire.OutPoint {
	n := c.count(minInputSize)
	if n == 0 {
		c.fail()
		return nil
	}
	inputs := c.outPoints(n)
	for i := range inputs {
		copy(inputs[i].Hash[:], c.next(chainhash.HashSize))
		inputs[i].Index = c.uint32()
		c.next(c.varint()) // signature script
		c.next(4)          // sequence
	}
	return inputs
}

func (c *cursor) outPoints(n int) []wire.OutPoint {
	if n > len(c.free) {
		c.free = make([]wire.OutPoint, max(n, min(manyOutPoints, c.rest()/minTxSize)))
	}
	some := c.free[:n:n]
	c.free = c.free[n:]
	return some
}

func (c *cursor) outputs() int {
	n := c.count(minOutputSize)
	if n == 0 {
		c.fail()
	}
	for range n {
		c.next(8)          // value
		c.next(c.varint()) // public key script
	}
	return n
}

// witnesses skips one stack for each input. All of them empty must have been
// serialised without witness (BIP 144).
func (c *cursor) witnesses(inputs int) {
	total := 0
	for range inputs {
		items := c.count(1)
		for range items {
			c.next(c.varint())
		}
		total += items
	}
	if total == 0 {
		c.fail()
	}
}
