package store

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/watcher"
)

// memory is what makes look-ups short that find nothing, as nearly all do. It
// decides nothing: what it lets through is looked up in the tables.
type memory struct {
	locators sieve // of all appointments
	outputs  sieve // that are watched
	recents  recents
	known    known
	density  density // of the appointments' rows
}

// forget is for when the file was written to behind our back.
func (m *memory) forget() {
	m.locators.forget()
	m.outputs.forget()
	m.recents.forget()
	m.known.forget()
}

const outputKeySize = chainhash.HashSize + 4

// outputKey is an outpoint as a key of the sieve.
func outputKey(o *wire.OutPoint) (key [outputKeySize]byte) {
	copy(key[:], o.Hash[:])
	binary.LittleEndian.PutUint32(key[chainhash.HashSize:], o.Index)
	return key
}

// recents has a Bloom filter for each recent block, over the locators that name
// its transactions. As in a sieve, a block is added before its transaction is
// committed; it is taken out after the commit that cuts it.
type recents struct {
	mu       sync.RWMutex
	complete bool // every recent block of the store is among these
	times    int  // they were forgotten
	blocks   []recentBlock
}

type recentBlock struct {
	height uint32
	hash   chainhash.Hash
	filter filter
}

func (r *recents) add(h chain.Header, ids []chainhash.Hash) {
	if r.has(h.Hash) {
		return
	}
	f := newFilter(uint64(2 * len(ids)))
	for _, id := range ids {
		for _, l := range watcher.Locators(id) {
			f.add(hashOf(l[:]))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks = append(r.blocks, recentBlock{h.Height, h.Hash, f})
}

func (r *recents) has(hash chainhash.Hash) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.ContainsFunc(r.blocks, func(b recentBlock) bool { return b.hash == hash })
}

func (r *recents) cut(below uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks = slices.DeleteFunc(r.blocks, func(b recentBlock) bool { return b.height < below })
}

func (r *recents) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complete, r.blocks = false, nil
	r.times++
}

// missing tells whether blocks may be missing; times is for finish.
func (r *recents) missing() (missing bool, times int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !r.complete, r.times
}

// finish notes that all blocks were added, unless they were forgotten meanwhile.
func (r *recents) finish(times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complete = r.times == times
}

// heights returns those of the blocks that may have what a locator names, the
// highest first; known is false while others may have it, too.
func (r *recents) heights(l teos.Locator) (heights []uint32, known bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.complete {
		return nil, false
	}
	hash := hashOf(l[:])
	for _, b := range r.blocks {
		if b.filter.has(hash) {
			heights = append(heights, b.height)
		}
	}
	slices.Sort(heights)
	heights = slices.Compact(heights)
	slices.Reverse(heights)
	return heights, true
}
