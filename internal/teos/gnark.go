//go:build !libsecp256k1

package teos

import (
	"math/bits"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos/curve"
)

// sign signs a digest with a nonce by RFC 6979 and a low s.
func sign(key *btcec.PrivateKey, digest *chainhash.Hash) Signature {
	return Signature(ecdsa.SignCompact(key, digest[:], true))
}

// fastRecover takes less than half of btcec's time where the processor multiplies 64
// bits at once; where it does not, btcec is the faster one.
func fastRecover(digest *chainhash.Hash, s *Signature) (user UserID, ok bool) {
	id := s[0] - 27
	if bits.UintSize < 64 || id > 7 {
		return user, false
	}
	key, ok := curve.Recover((*[32]byte)(digest), (*[32]byte)(s[1:33]), (*[32]byte)(s[33:]), id&2 != 0, id&1 != 0)
	return UserID(key), ok
}
