package teos

import (
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// LocatorSize is the size of a Locator in bytes.
const LocatorSize = 16

// Locator names an appointment without giving its dispute transaction away:
// it is half of the dispute's id (see NewLocator).
type Locator [LocatorSize]byte

// NewLocator returns the locator of a dispute transaction: the first 16 bytes
// of its id as displayed (v1) or as serialised (any other dialect).
func NewLocator(d Dialect, dispute chainhash.Hash) Locator {
	id := idBytes(d, dispute)
	return Locator(id[:LocatorSize])
}

// ParseLocator reads 32 hex digits of either case.
func ParseLocator(s string) (Locator, error) {
	b, err := parseHexOf(s, LocatorSize)
	if err != nil {
		return Locator{}, fmt.Errorf("locator: %w", err)
	}
	return LocatorFromBytes(b)
}

// LocatorFromBytes reads 16 bytes.
func LocatorFromBytes(b []byte) (Locator, error) {
	if len(b) != LocatorSize {
		return Locator{}, fmt.Errorf("locator: %d bytes instead of %d", len(b), LocatorSize)
	}
	return Locator(b), nil
}

// String returns 32 lower-case hex digits.
func (l Locator) String() string { return hex.EncodeToString(l[:]) }

// idBytes returns the 32 bytes of a transaction id in the dialect's order.
func idBytes(d Dialect, id chainhash.Hash) chainhash.Hash {
	if d == V1 {
		slices.Reverse(id[:])
	}
	return id
}
