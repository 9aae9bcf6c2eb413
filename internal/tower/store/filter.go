package store

import (
	"hash/maphash"

	"github.com/parquet-go/parquet-go/bloom"
)

// filter is a Bloom filter whose bits of one key lie in one line of the processor's
// cache (a split block Bloom filter, as in the Parquet format): a large one lies in no
// cache, and each look-up waits for memory once.
type filter bloom.SplitBlockFilter

// bitsPerKey is what a filter takes for each key that it has room for. Of absent keys
// one in seven hundred passes a full one.
const bitsPerKey = 16

// seed makes the hashes of this process: who knew them could choose locators that all
// fall into one place.
var seed = maphash.MakeSeed()

func newFilter(keys uint64) filter {
	return make(filter, max(1, bloom.NumSplitBlocksOf(int64(keys), bitsPerKey))) //nolint:gosec // a count of rows
}

func hashOf(key []byte) uint64 { return maphash.Bytes(seed, key) }

func (f filter) add(hash uint64)      { bloom.SplitBlockFilter(f).Insert(hash) }
func (f filter) has(hash uint64) bool { return bloom.SplitBlockFilter(f).Check(hash) }

// bring reads a word of each key's line: the processor asks memory for many at once,
// where has, whose work on one is too long for that, waits for each. The result is of
// no use, but that no compiler leaves the reads out.
//
//go:noinline
func (f filter) bring(hashes []uint64) (words bloom.Word) {
	for _, h := range hashes {
		words |= bloom.SplitBlockFilter(f).Block(h)[0]
	}
	return words
}
