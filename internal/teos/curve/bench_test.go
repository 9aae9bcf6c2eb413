package curve

import (
	"testing"

	"github.com/consensys/gnark-crypto/ecc/secp256k1"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fr"
)

func BenchmarkSum(b *testing.B) {
	var u, v fr.Element
	u.SetUint64(12345).Inverse(&u)
	v.SetUint64(54321).Inverse(&v)
	_, g := secp256k1.Generators()
	for b.Loop() {
		Sum(&u, &v, &g)
	}
}

func BenchmarkSplit(b *testing.B) {
	var u fr.Element
	u.SetUint64(12345).Inverse(&u)
	for b.Loop() {
		split(&u)
	}
}
