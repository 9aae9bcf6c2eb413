package store

import (
	"fmt"
	"slices"
	"testing"

	"vigil/internal/teos"
)

// A block's locators are looked at side by side: whatever their number, those pass
// that pass one by one, in their order.
func TestLocatorsPassAbreastAsTheyPassAlone(t *testing.T) {
	for _, keys := range []uint64{1, 5, 5000} {
		for _, n := range []int{0, 1, 2, abreast - 1, abreast, abreast + 1, 3*abreast + 7, 4000} {
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
					t.Errorf("%d pass abreast, %d alone", len(got), len(want))
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
