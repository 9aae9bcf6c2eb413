package curve

import (
	"bytes"

	"github.com/consensys/gnark-crypto/ecc/secp256k1"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fp"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fr"
)

// Recover returns the compressed key whose holder signed a digest (SEC 1, 4.1.6), of a
// signature's r and s, 32 bytes each, big endian. The point R of the nonce has r for its
// x coordinate, or, where that has overflowed, r and the group's order; its y is odd or
// not. It is false where there is no such key. A high s is as good as a low one.
func Recover(digest, r, s *[32]byte, overflowed, odd bool) (key [33]byte, ok bool) {
	var u, v, w fr.Element
	if w.SetBytesCanonical(r[:]) != nil || v.SetBytesCanonical(s[:]) != nil || w.IsZero() || v.IsZero() {
		return key, false
	}
	nonce, ok := lift(r, overflowed, odd)
	if !ok {
		return key, false
	}
	w.Inverse(&w)
	u.SetBytes(digest[:]) // by the group's order
	u.Neg(u.Mul(&u, &w))
	q := Sum(&u, v.Mul(&v, &w), &nonce)
	if q.Z.IsZero() {
		return key, false
	}
	return compress(&q)
}

// gap is the field's prime less the group's order.
var gap = [32]byte{15: 1, 0x45, 0x51, 0x23, 0x19, 0x50, 0xb7, 0x5f, 0xc4, 0x40, 0x2d, 0xa1, 0x72, 0x2f, 0xc9, 0xba, 0xee}

// lift returns the point that a signature names, if there is one.
func lift(r *[32]byte, overflowed, odd bool) (p secp256k1.G1Affine, ok bool) {
	if overflowed {
		if bytes.Compare(r[:], gap[:]) >= 0 {
			return p, false
		}
		var less fp.Element
		p.X.Sub(p.X.SetBytes(r[:]), less.SetBytes(gap[:])) // r + n, as n is p - gap
	} else {
		p.X.SetBytes(r[:]) // below the group's order, and that below the prime
	}
	var seven fp.Element
	p.Y.Square(&p.X).Mul(&p.Y, &p.X).Add(&p.Y, seven.SetUint64(7))
	if p.Y.Sqrt(&p.Y) == nil {
		return p, false
	}
	if isOdd(&p.Y) != odd {
		p.Y.Neg(&p.Y)
	}
	return p, true
}

// compress writes a point as SEC 1, 2.3.3, says. It is false for what is not on the
// curve, which only a fault of the arithmetic can make.
func compress(q *secp256k1.G1Jac) (key [33]byte, ok bool) {
	var p secp256k1.G1Affine
	p.FromJacobian(q)
	x := p.X.Bytes()
	copy(key[1:], x[:])
	key[0] = 2
	if isOdd(&p.Y) {
		key[0] = 3
	}
	return key, p.IsOnCurve()
}

func isOdd(e *fp.Element) bool { return e.Bits()[0]&1 != 0 }
