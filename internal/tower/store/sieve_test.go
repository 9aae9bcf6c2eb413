package store

import (
	"fmt"
	"slices"
	"testing"

	"vigil/internal/teos"
)

// Of a block's locators those pass that pass one by one, in their order.
func TestLocatorsPassTogetherAsTheyPassAlone(t *testing.T) {
	for _, keys := range []uint64{1, 5, 5000} {
		for _, n := range []int{0, 1, 2, abreast, abreast + 1, 4000} {
			t.Run(fmt.Sprint(n, " of ", keys), func(t *testing.T) {
				var s sieve
				s.begin(keys)
				for k := range keys {
					l := locator(k)
					s.add(l[:])
				}
				s.end()
				var ls, want []teos.Locator
				for i := range uint64(n) {
					ls = append(ls, locator(i*7919%10_000)) // about half of 5000 are there
				}
				for _, l := range ls {
					if s.mayHave(l[:]) {
						want = append(want, l)
					}
				}
				if got := s.pass(ls); !slices.Equal(got, want) {
					t.Errorf("%d pass together, %d alone", len(got), len(want))
				}
			})
		}
	}
}

func TestAllPassWhereThereIsNoSieve(t *testing.T) {
	var s sieve
	ls := []teos.Locator{locator(1), locator(2)}
	if got := s.pass(ls); !slices.Equal(got, ls) {
		t.Errorf("%v pass instead of all", got)
	}
}

// A sieve lets each of its keys through, and hardly any other, also when it is full.
func TestSieveNeverMissesAKey(t *testing.T) {
	const full = 100_000
	var s sieve
	s.begin(full)
	for k := range uint64(full) {
		l := locator(k)
		s.add(l[:])
	}
	s.end()
	others := 0
	for k := range uint64(2 * full) {
		l := locator(k)
		switch may := s.mayHave(l[:]); {
		case k < full && !may:
			t.Fatalf("key %d is missed", k)
		case k >= full && may:
			others++
		}
	}
	if others > full/200 {
		t.Errorf("%d of %d absent keys pass", others, full)
	}
}

// Filters are of any size, also of none.
func TestSmallFilters(t *testing.T) {
	for n := range uint64(70) {
		f := newFilter(n)
		for k := range n + 1 {
			l := locator(k)
			hash := hashOf(l[:])
			if f.add(hash); !f.has(hash) {
				t.Errorf("a filter for %d keys misses key %d", n, k)
			}
		}
	}
}
