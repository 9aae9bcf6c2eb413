package teos

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
)

// UserIDSize is the size of a UserID in bytes.
const UserIDSize = 33

// ErrNotAKey says that 33 bytes are no compressed point of secp256k1.
var ErrNotAKey = errors.New("not a compressed public key on secp256k1")

// UserID is a user's public key, or a tower's: a compressed point of
// secp256k1. Values other than the zero value come from ParseUserID,
// UserIDFromBytes, NewUserID or Recover, and are points on the curve.
type UserID [UserIDSize]byte

// ParseUserID reads 66 hex digits of either case.
func ParseUserID(s string) (UserID, error) {
	b, err := parseHexOf(s, UserIDSize)
	if err != nil {
		return UserID{}, fmt.Errorf("user id: %w", err)
	}
	return UserIDFromBytes(b)
}

// UserIDFromBytes reads 33 bytes. It fails with ErrNotAKey where they have
// the right size but are no point on the curve.
func UserIDFromBytes(b []byte) (UserID, error) {
	if len(b) != UserIDSize {
		return UserID{}, fmt.Errorf("user id: %d bytes instead of %d", len(b), UserIDSize)
	}
	if _, err := btcec.ParsePubKey(b); err != nil {
		return UserID{}, fmt.Errorf("user id: %w", ErrNotAKey)
	}
	return UserID(b), nil
}

// NewUserID returns the id of a key's holder.
func NewUserID(key *btcec.PublicKey) UserID {
	return UserID(key.SerializeCompressed())
}

// String returns 66 lower-case hex digits.
func (u UserID) String() string { return hex.EncodeToString(u[:]) }
