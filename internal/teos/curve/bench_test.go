package curve

import (
	"math/rand/v2"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/secp256k1"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fr"
)

// randomScalars are many: a processor learns the way that few take.
func randomScalars() (all [4096]fr.Element) {
	source := rand.NewChaCha8([32]byte{1})
	for i := range all {
		var b [32]byte
		_, _ = source.Read(b[:]) // never fails
		all[i].SetBytes(b[:])
	}
	return all
}

func BenchmarkSum(b *testing.B) {
	all := randomScalars()
	_, g := secp256k1.Generators()
	for i := 0; b.Loop(); i++ {
		Sum(&all[i%len(all)], &all[(i+1)%len(all)], &g)
	}
}

func BenchmarkSplit(b *testing.B) {
	all := randomScalars()
	for i := 0; b.Loop(); i++ {
		split(&all[i%len(all)])
	}
}
