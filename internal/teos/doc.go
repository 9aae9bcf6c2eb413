// Package teos holds the values and rules of the protocol of The Eye of
// Satoshi in both dialects that are in the field (docs/protocol.md). It is
// pure: no input or output, no clock, no configuration; it serves a client as
// well as a tower.
//
// Transaction ids are chainhash.Hash values: bytes in the order in which they
// are serialised ("internal"), printed reversed ("as displayed").
package teos

// Dialect is one of the two wire dialects. They differ in the byte order of
// locators and blob keys, in receipts, and in error codes. The zero value
// says that the dialect is not known yet.
type Dialect uint8

const (
	// V1 is spoken by python-teos. Its clients register with public_key.
	V1 Dialect = 1
	// V2 is spoken by rust-teos. Its clients register with user_id.
	V2 Dialect = 2
)

// Known tells whether d is one of the two dialects.
func (d Dialect) Known() bool { return d == V1 || d == V2 }

// String returns "v1", "v2" or "unknown".
func (d Dialect) String() string {
	switch d {
	case V1:
		return "v1"
	case V2:
		return "v2"
	default:
		return "unknown"
	}
}

// Or returns d, or other where d is not known.
func (d Dialect) Or(other Dialect) Dialect {
	if d.Known() {
		return d
	}
	return other
}
