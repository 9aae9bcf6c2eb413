package curve

import (
	"math/bits"

	"github.com/consensys/gnark-crypto/ecc/secp256k1/fr"
)

// half is a number below 2^128 in absolute value.
type half struct {
	words    [2]uint64 // the lower one first
	negative bool
}

// What splits a scalar: lambda is a cube root of 1 modulo the group's order, and
// (a1, b1), (a2, b2) are short vectors with a + b lambda = 0. They are found by the
// extended Euclidean algorithm (GLV 2001, section 4); TestConstants derives the rest.
var (
	lambda = element("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72")
	minus1 = element("00000000000000000000000000000000e4437ed6010e88286f547fa90abfe4c3") // -b1
	minus2 = element("fffffffffffffffffffffffffffffffe8a280ac50774346dd765cda83db1562c") // -b2
	// 2^384 b2 / n and 2^384 (-b1) / n, rounded; the lowest word first.
	share1 = [4]uint64{0xe893209a45dbb031, 0x3daa8a1471e8ca7f, 0xe86c90e49284eb15, 0x3086d221a7d46bcd}
	share2 = [4]uint64{0x1571b4ae8ac47f71, 0x221208ac9df506c6, 0x6f547fa90abfe4c4, 0xe4437ed6010e8828}
)

func element(hex string) (e fr.Element) {
	if _, err := e.SetString("0x" + hex); err != nil {
		panic(err) // a constant of this file
	}
	return e
}

// split returns a and b with a + b lambda = k modulo the group's order.
func split(k *fr.Element) (a, b half) {
	words := k.Bits()
	// Elements that hold a number itself, not its Montgomery form: their product with one
	// that is in that form is the number again, and sums are sums in either.
	c1, c2, plain := share(&words, &share1), share(&words, &share2), fr.Element(words)
	c1.Mul(&c1, &minus1)
	c2.Mul(&c2, &minus2)
	c2.Add(&c2, &c1)
	c1.Mul(&c2, &lambda)
	return shorten(plain.Sub(&plain, &c1)), shorten(&c2)
}

// share is k times a constant, divided by 2^384 and rounded.
func share(k, constant *[4]uint64) fr.Element {
	var product [8]uint64
	for i, x := range k {
		var carry uint64
		for j, y := range constant {
			high, low := bits.Mul64(x, y)
			low, c := bits.Add64(low, carry, 0)
			high += c // at most 2^64 - 2 before
			product[i+j], c = bits.Add64(product[i+j], low, 0)
			carry = high + c
		}
		product[i+4] = carry
	}
	low, carry := bits.Add64(product[6], product[5]>>63, 0)
	return fr.Element{low, product[7] + carry}
}

// shorten takes a number that is near 0 modulo the group's order, from either side.
func shorten(n *fr.Element) half {
	if n[3]|n[2] == 0 {
		return half{words: [2]uint64{n[0], n[1]}}
	}
	n.Neg(n)
	return half{words: [2]uint64{n[0], n[1]}, negative: true}
}
