package curve

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/consensys/gnark-crypto/ecc/secp256k1"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fp"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fr"
)

var (
	order = btcec.S256().N
	prime = btcec.S256().P
)

func number(e *fr.Element) *big.Int { return e.BigInt(new(big.Int)) }

func words(w [4]uint64) *big.Int {
	n := new(big.Int)
	for i := len(w) - 1; i >= 0; i-- {
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(w[i]))
	}
	return n
}

// rounded is 2^384 a / n, rounded.
func rounded(a *big.Int) *big.Int {
	twice := new(big.Int).Lsh(a, 385)
	return twice.Div(twice.Add(twice, order), new(big.Int).Lsh(order, 1))
}

// Every constant is what it is said to be, by big integers and by btcec's curve.
func TestConstants(t *testing.T) {
	l, one := number(&lambda), big.NewInt(1)
	if c := new(big.Int).Exp(l, big.NewInt(3), order); c.Cmp(one) != 0 || l.Cmp(one) == 0 {
		t.Errorf("lambda is no cube root of 1 other than 1")
	}
	var g, turned, want btcec.JacobianPoint
	btcec.Generator().AsJacobian(&g)
	var scalar btcec.ModNScalar
	scalar.SetByteSlice(l.Bytes())
	btcec.ScalarMultNonConst(&scalar, &g, &want)
	want.ToAffine()
	b := beta.Bytes()
	turned.X.SetByteSlice(b[:])
	if !turned.X.Mul(&g.X).Normalize().Equals(&want.X) || !g.Y.Equals(&want.Y) {
		t.Error("beta does not turn the generator into lambda times it")
	}
	b1, b2 := number(&minus1), new(big.Int).Sub(order, number(&minus2))
	for i, b := range []*big.Int{new(big.Int).Neg(b1), b2} { // a = -b lambda is short, too
		a := new(big.Int).Mul(b, l)
		if a.Neg(a).Mod(a, order).BitLen() > 129 {
			t.Errorf("vector %d is not short: %x, %x", i+1, a, b)
		}
	}
	if words(share1).Cmp(rounded(b2)) != 0 || words(share2).Cmp(rounded(b1)) != 0 {
		t.Errorf("shares are %x and %x instead of %x and %x", words(share1), words(share2), rounded(b2), rounded(b1))
	}
	if n := new(big.Int).Sub(prime, order); !bytes.Equal(gap[:], n.FillBytes(make([]byte, 32))) {
		t.Errorf("the gap is %x", n)
	}
}

// scalars are those at which something changes, and random ones.
func scalars() (all []*big.Int) {
	half := new(big.Int).Rsh(order, 1)
	l := number(&lambda)
	points := []*big.Int{new(big.Int), half, order, l, new(big.Int).Sub(order, l), words(share1), words(share2)}
	for _, bit := range []uint{1, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255} {
		points = append(points, new(big.Int).Lsh(big.NewInt(1), bit))
	}
	for _, x := range points {
		for d := int64(-2); d <= 2; d++ {
			y := new(big.Int).Add(x, big.NewInt(d))
			all = append(all, y.Mod(y, order))
		}
	}
	source := rand.NewChaCha8([32]byte{7})
	for range 200 {
		var b [32]byte
		_, _ = source.Read(b[:]) // never fails
		x := new(big.Int).SetBytes(b[:])
		all = append(all, x.Mod(x, order))
	}
	return all
}

func scalar(n *big.Int) *fr.Element { return new(fr.Element).SetBigInt(n) }

func (h half) number() *big.Int {
	n := words([4]uint64{h.words[0], h.words[1]})
	if h.negative {
		n.Neg(n)
	}
	return n
}

// The halves make up the scalar, and are so small that digits have room: less than two
// thirds of 2^128.
func TestSplit(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 129)
	limit.Div(limit, big.NewInt(3))
	for _, k := range scalars() {
		a, b := split(scalar(k))
		sum := new(big.Int).Mul(b.number(), number(&lambda))
		if sum.Add(sum, a.number()).Mod(sum, order).Cmp(k) != 0 {
			t.Errorf("%x is split into %x and %x", k, a.number(), b.number())
		}
		if a.number().CmpAbs(limit) >= 0 || b.number().CmpAbs(limit) >= 0 {
			t.Errorf("%x is split into %x and %x, which are long", k, a.number(), b.number())
		}
	}
}

func TestDigits(t *testing.T) {
	longest := half{words: [2]uint64{1<<64 - 1, 2<<62 + 2<<60}} // nearly two thirds of 2^128
	all := []half{{}, longest, {words: longest.words, negative: true}}
	for _, k := range scalars() {
		a, b := split(scalar(k))
		all = append(all, a, b)
	}
	for _, k := range all {
		for _, width := range []uint{width, baseWidth} {
			var digits naf
			n := digits.write(k, width)
			if sum := digits.check(t, n, width); sum.Cmp(k.number()) != 0 {
				t.Errorf("the digits of %x at width %d make %x", k.number(), width, sum)
			}
		}
	}
}

// check returns the number that the digits make.
func (digits *naf) check(t *testing.T, n int, width uint) *big.Int {
	t.Helper()
	sum, last := new(big.Int), -int(width)
	for i, d := range digits {
		if d == 0 {
			continue
		}
		if d%2 == 0 || d >= 1<<(width-1) || -d >= 1<<(width-1) || i-last < int(width) || i >= n {
			t.Errorf("digit %d at %d, the one before it at %d, of %d digits of width %d", d, i, last, n, width)
		}
		last = i
		sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(d)), uint(i)))
	}
	if n > 0 && last != n-1 {
		t.Errorf("%d digits, but the highest is at %d", n, last)
	}
	return sum
}

// point is n times the generator, by btcec.
func point(n *big.Int) (p secp256k1.G1Affine, jacobian btcec.JacobianPoint) {
	var s btcec.ModNScalar
	s.SetByteSlice(n.Bytes())
	btcec.ScalarBaseMultNonConst(&s, &jacobian)
	jacobian.ToAffine()
	p.X, p.Y = field(&jacobian.X), field(&jacobian.Y)
	return p, jacobian
}

func field(f *btcec.FieldVal) (e fp.Element) {
	b := f.Bytes()
	e.SetBytes(b[:])
	return e
}

// same wants a sum to be btcec's, infinity included.
func same(t *testing.T, a, b *big.Int, of int64) {
	t.Helper()
	p, jacobian := point(big.NewInt(of))
	sum := Sum(scalar(a), scalar(b), &p)
	var u, v btcec.ModNScalar
	u.SetByteSlice(a.Bytes())
	v.SetByteSlice(b.Bytes())
	var left, right, want btcec.JacobianPoint
	btcec.ScalarBaseMultNonConst(&u, &left)
	btcec.ScalarMultNonConst(&v, &jacobian, &right)
	btcec.AddNonConst(&left, &right, &want)
	want.ToAffine()
	if infinite := want.X.IsZero() && want.Y.IsZero(); infinite || sum.Z.IsZero() {
		if !infinite || !sum.Z.IsZero() {
			t.Errorf("%x G + %x (%d G): only one of the two is at infinity", a, b, of)
		}
		return
	}
	var got secp256k1.G1Affine
	got.FromJacobian(&sum)
	if x, y := field(&want.X), field(&want.Y); !got.X.Equal(&x) || !got.Y.Equal(&y) {
		t.Errorf("%x G + %x (%d G) is wrong", a, b, of)
	}
}

// Sums with all scalars that are special, over points whose multiples are among the
// generator's, so that equal, opposite and infinite points meet in them.
func TestSum(t *testing.T) {
	all := scalars()
	for i, a := range all {
		b := all[(i*7+3)%len(all)]
		for _, of := range []int64{1, 2, 3, 5, 1023, 12345} {
			same(t, a, b, of)
			opposite := new(big.Int).Mul(a, big.NewInt(of))
			same(t, opposite.Sub(order, opposite.Mod(opposite, order)).Mod(opposite, order), a, of)
		}
	}
}
