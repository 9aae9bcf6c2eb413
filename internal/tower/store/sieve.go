package store

import (
	"slices"
	"sync"

	"vigil/internal/teos"
)

// sieve tells of most keys that are not in a table that they are not, without
// looking: a Bloom filter over all its keys. What it lets through may be there.
//
// It must never miss a key that is in the table: a missed locator is a missed
// breach. So each key is added before its transaction is committed, nothing is
// ever taken out, and until all keys that were there before have been added it
// lets everything through.
type sieve struct {
	mu     sync.RWMutex
	filter filter // nil until one has all keys: nothing is held back then
	room   uint64 // how many keys it was made for
	size   uint64 // how many were added since it was begun
	next   *sieve // that will take its place, while it is being filled
}

// begin starts a sieve with room for n keys. Whatever was added before is in the
// table for all who read it from now on, or never was: see keeper.sift.
func (s *sieve) begin(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = &sieve{filter: newFilter(n), room: n}
}

// end puts the sieve that begin started, and that has all keys now, in place.
func (s *sieve) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		return // forgotten meanwhile
	}
	s.filter, s.room, s.size, s.next = s.next.filter, s.next.room, s.next.size, nil
}

// forget makes the sieve let all through until it is filled anew.
func (s *sieve) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filter, s.next = nil, nil
}

// add adds a key to the sieve, and to the one that will take its place. The
// keeper makes a larger one where there is no room any more.
func (s *sieve) add(key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := hashOf(key)
	if s.next != nil {
		s.next.filter.add(hash)
		s.next.size++
	}
	if s.filter != nil {
		s.filter.add(hash)
		s.size++
	}
}

// fill adds keys of one size that were in the table before.
func (s *sieve) fill(keys []byte, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		return // forgotten meanwhile
	}
	for ; len(keys) >= size; keys = keys[size:] {
		s.next.filter.add(hashOf(keys[:size]))
		s.next.size++
	}
}

// mayHave tells whether a key may be in the table; where it says no, it is not.
func (s *sieve) mayHave(key []byte) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.filter == nil || s.filter.has(hashOf(key))
}

// abreast is how many locators are looked for at once: their lines of the filter fit
// into the nearest cache.
const abreast = 64

// pass returns those of some locators that may be in the table. The lock is taken
// once: to take it for each would keep the processor from looking for the next while
// it waits for memory.
func (s *sieve) pass(ls []teos.Locator) (may []teos.Locator) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.filter == nil {
		return ls
	}
	for some := range slices.Chunk(ls, abreast) {
		may = s.filter.pass(some, may)
	}
	return may
}

// pass appends those of at most so many locators, abreast, that the filter has.
func (f filter) pass(ls, may []teos.Locator) []teos.Locator {
	var hashes [abreast]uint64
	for i := range ls {
		hashes[i] = hashOf(ls[i][:])
	}
	f.bring(hashes[:len(ls)])
	for i := range ls {
		if f.has(hashes[i]) {
			may = append(may, ls[i])
		}
	}
	return may
}

// wanting tells whether a new sieve is needed: there is none, or it is too small.
func (s *sieve) wanting() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.filter == nil || s.size > s.room
}
