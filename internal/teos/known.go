//go:build !libsecp256k1

package teos

import "github.com/btcsuite/btcd/btcec/v2"

// KeysAreKnown tells whether this build has tables of keys.
const KeysAreKnown = true

// A multiple of a key is looked up by the digits of a scalar: 64 of 4 bits.
const (
	digits   = 64
	nonzeros = 15
)

// KnownKey tells whether its holder signed something, in less than half of the time
// that it takes to recover who did: 75 kB of the key's multiples, which take as long to
// make as twelve recoveries, spare it all doublings. It is for those who sign often.
//
// A signature names the point R of its nonce, by r and two bits. The key Q that is
// recovered from it and a digest z is (sR - zG) / r (SEC 1, 4.1.6). So it is this
// key if, and only if, (z/s)G + (r/s)Q is R. All arithmetic is btcec's.
type KnownKey struct {
	id UserID
	// multiples[15*i+d-1] is d * 16^i times the key.
	multiples [digits * nonzeros]affine
}

type affine struct{ x, y btcec.FieldVal }

// NewKnownKey makes the multiples of a user's key. It returns nil where id is no
// point on the curve.
func NewKnownKey(id UserID) *KnownKey {
	key, err := btcec.ParsePubKey(id[:])
	if err != nil {
		return nil
	}
	var power btcec.JacobianPoint
	key.AsJacobian(&power)
	points := make([]btcec.JacobianPoint, 0, digits*nonzeros)
	for range digits {
		multiple := power
		for range nonzeros {
			points = append(points, multiple)
			btcec.AddNonConst(&multiple, &power, &multiple)
		}
		power = multiple
		power.ToAffine() // for the additions to come
	}
	k := &KnownKey{id: id}
	k.setMultiples(points)
	return k
}

// setMultiples divides by all Z with one inversion (Montgomery's trick). None is 0:
// no multiple is a multiple of the group's order.
func (k *KnownKey) setMultiples(points []btcec.JacobianPoint) {
	before := make([]btcec.FieldVal, len(points)) // the product of all Z that come before
	var inverse btcec.FieldVal
	inverse.SetInt(1)
	for i := range points {
		before[i].Set(&inverse)
		inverse.Mul(&points[i].Z)
	}
	inverse.Inverse()
	for i := len(points) - 1; i >= 0; i-- {
		var z, power btcec.FieldVal
		z.Mul2(&inverse, &before[i])
		inverse.Mul(&points[i].Z)
		power.SquareVal(&z)
		k.multiples[i].x.Mul2(&points[i].X, &power).Normalize()
		k.multiples[i].y.Mul2(&points[i].Y, power.Mul(&z)).Normalize()
	}
}

// User returns whose key it is.
func (k *KnownKey) User() UserID { return k.id }

// Signed tells whether Recover returns this key for the message and a signature that
// SignatureFromBytes would take. What can't be a signature costs nothing.
func (k *KnownKey) Signed(message []byte, sig Signature) bool {
	var r, s, z btcec.ModNScalar
	if _, err := SignatureFromBytes(sig[:]); err != nil {
		return false
	}
	if r.SetByteSlice(sig[1:33]) || r.IsZero() || s.SetByteSlice(sig[33:]) || s.IsZero() {
		return false
	}
	x, ok := nonceX(sig)
	if !ok {
		return false
	}
	d := digest(message)
	z.SetByteSlice(d[:])
	s.InverseNonConst()
	var nonce btcec.JacobianPoint
	btcec.ScalarBaseMultNonConst(z.Mul(&s), &nonce)
	k.addMultiple(&nonce, s.Mul(&r))
	return isAt(&nonce, &x, (sig[0]-firstByte)&1 != 0)
}

// addMultiple adds n times the key to a point.
func (k *KnownKey) addMultiple(p *btcec.JacobianPoint, n *btcec.ModNScalar) {
	var multiple btcec.JacobianPoint
	multiple.Z.SetInt(1)
	bytes := n.Bytes()
	for i := range digits {
		d := int(bytes[31-i/2]>>(i%2*4)) & 15
		if d == 0 {
			continue
		}
		m := &k.multiples[i*nonzeros+d-1]
		multiple.X.Set(&m.x)
		multiple.Y.Set(&m.y)
		btcec.AddNonConst(p, &multiple, p)
	}
}

// nonceX returns the x coordinate of the point that a signature names: r, or, as the
// recovery id says, r and the group's order. It is false where that is no coordinate.
func nonceX(sig Signature) (x btcec.FieldVal, ok bool) {
	x.SetByteSlice(sig[1:33]) // r is below the order, and that below the prime
	if (sig[0]-firstByte)&2 == 0 {
		return x, true
	}
	if x.IsGtOrEqPrimeMinusOrder() {
		return x, false
	}
	x.Add(&order).Normalize()
	return x, true
}

// isAt tells whether a point has an x coordinate and an odd or even y.
func isAt(p *btcec.JacobianPoint, x *btcec.FieldVal, odd bool) bool {
	var scaled btcec.FieldVal
	scaled.SquareVal(&p.Z)
	if p.Z.IsZero() || !scaled.Mul(x).Normalize().Equals(&p.X) {
		return false // before the division, which is dear
	}
	p.ToAffine()
	return p.Y.IsOdd() == odd
}

// order is that of the group.
var order = func() (n btcec.FieldVal) {
	n.SetByteSlice(btcec.S256().N.Bytes())
	return n
}()
