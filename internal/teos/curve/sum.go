package curve

import (
	"sync"

	"github.com/consensys/gnark-crypto/ecc/secp256k1"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fp"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fr"
)

// Widths of digits. The generator's multiples are made once, 32 kB of them.
const (
	width     = 5
	baseWidth = 10
)

// beta is the cube root of 1 in the field that belongs to lambda: lambda (x, y) is
// (beta x, y).
var beta = func() (e fp.Element) {
	_, _ = e.SetString("0x7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501ee") // TestConstants
	return e
}()

// multiples are a point's odd multiples, 1, 3, 5 and so on, and lambda times each.
type multiples struct{ plain, turned []secp256k1.G1Affine }

// generators are the generator's.
var generators = sync.OnceValue(func() multiples {
	const n = 1 << (baseWidth - 2)
	m := multiples{make([]secp256k1.G1Affine, n), make([]secp256k1.G1Affine, n)}
	_, g := secp256k1.Generators()
	m.fill(&g, make([]secp256k1.G1Jac, n))
	return m
})

// Sum returns aG + bP, where P is on the curve and not at infinity.
func Sum(a, b *fr.Element, p *secp256k1.G1Affine) (sum secp256k1.G1Jac) {
	var digits [4]naf
	a1, a2 := split(a)
	b1, b2 := split(b)
	n := max(digits[0].write(a1, baseWidth), digits[1].write(a2, baseWidth),
		digits[2].write(b1, width), digits[3].write(b2, width))
	var plain, turned [1 << (width - 2)]secp256k1.G1Affine
	var points [len(plain)]secp256k1.G1Jac
	g, m := generators(), multiples{plain[:], turned[:]}
	m.fill(p, points[:])
	for i := n - 1; i >= 0; i-- {
		double(&sum)
		add(&sum, g.plain, digits[0][i])
		add(&sum, g.turned, digits[1][i])
		add(&sum, m.plain, digits[2][i])
		add(&sum, m.turned, digits[3][i])
	}
	return sum
}

// add adds a multiple by its digit.
func add(sum *secp256k1.G1Jac, odd []secp256k1.G1Affine, digit int16) {
	switch {
	case digit > 0:
		addAffine(sum, &odd[digit/2])
	case digit < 0:
		negative := odd[-digit/2]
		negative.Y.Neg(&negative.Y)
		addAffine(sum, &negative)
	}
}

// fill makes the multiples of a point; points are room for as many.
func (m *multiples) fill(p *secp256k1.G1Affine, points []secp256k1.G1Jac) {
	points[0].FromAffine(p)
	twice := points[0]
	double(&twice)
	for i := 1; i < len(points); i++ {
		points[i] = points[i-1]
		points[i].AddAssign(&twice)
	}
	toAffine(points, m.plain)
	for i := range m.plain {
		m.turned[i].X.Mul(&m.plain[i].X, &beta)
		m.turned[i].Y = m.plain[i].Y
	}
}

// toAffine divides by all Z with one inversion (Montgomery's trick). None is 0: no
// small multiple is a multiple of the group's order, which is prime.
func toAffine(points []secp256k1.G1Jac, affine []secp256k1.G1Affine) {
	var inverse fp.Element
	inverse.SetOne()
	for i := range points { // x holds the product of all Z that come before
		affine[i].X = inverse
		inverse.Mul(&inverse, &points[i].Z)
	}
	inverse.Inverse(&inverse)
	for i := len(points) - 1; i >= 0; i-- {
		var z, power fp.Element
		z.Mul(&inverse, &affine[i].X)
		inverse.Mul(&inverse, &points[i].Z)
		power.Square(&z)
		affine[i].X.Mul(&points[i].X, &power)
		affine[i].Y.Mul(&points[i].Y, power.Mul(&power, &z))
	}
}
