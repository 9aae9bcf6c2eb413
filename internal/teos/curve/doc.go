// Package curve adds up multiples of two points of secp256k1, which is what the
// recovery of a key from a signature consists of. It is for public numbers only: how
// long it takes depends on them.
//
// The field and the group's order are gnark-crypto's. What is here is what is done with
// them, as in libsecp256k1: a scalar is split into two of half the length (Gallant,
// Lambert, Vanstone 2001), all four are written with few digits that are not zero
// (width-w NAF: Handbook of Elliptic and Hyperelliptic Curve Cryptography, 9.1.4), and
// their multiples share the doublings (Straus 1964).
package curve
