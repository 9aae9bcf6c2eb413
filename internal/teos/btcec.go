//go:build !libsecp256k1

package teos

import (
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chainhash/v2"
)

// sign signs a digest with a nonce by RFC 6979 and a low s.
func sign(key *btcec.PrivateKey, digest *chainhash.Hash) Signature {
	return Signature(ecdsa.SignCompact(key, digest[:], true))
}

// recoverKey returns the key that signed a digest, or an ErrSignature. A high
// s is as good as a low one.
func recoverKey(digest *chainhash.Hash, s *Signature) (UserID, error) {
	key, _, err := ecdsa.RecoverCompact(s[:], digest[:])
	if err != nil {
		return UserID{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return NewUserID(key), nil
}
