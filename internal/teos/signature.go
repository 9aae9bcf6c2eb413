package teos

import (
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/tv42/zbase32"
)

const (
	// SignatureSize is the size of a Signature in bytes.
	SignatureSize = 65
	// SignatureTextSize is the size of its text in characters.
	SignatureTextSize = 104

	// messagePrefix stands before every message that a Lightning node signs
	// ("lightning-cli signmessage"), so that no signature can be taken for
	// one over a transaction.
	messagePrefix = "Lightning Signed Message:"

	// firstByte is 27 (compact signature) + 4 (compressed key).
	firstByte = 31
)

// ErrSignature says that a text or its bytes are no signature.
var ErrSignature = errors.New("not a signature")

// Signature is a recoverable signature of Lightning's message signing:
// 31 + recovery id, then r and s, 32 bytes each, big endian. Its text is
// zbase32; text and bytes are one to one, so either may be kept.
type Signature [SignatureSize]byte

// ParseSignature reads 104 characters of zbase32 (lower case).
func ParseSignature(s string) (Signature, error) {
	if len(s) != SignatureTextSize {
		return Signature{}, fmt.Errorf("%w: %d characters instead of %d", ErrSignature, len(s), SignatureTextSize)
	}
	b, err := zbase32.DecodeString(s)
	if err != nil {
		return Signature{}, fmt.Errorf("%w: no zbase32", ErrSignature)
	}
	return SignatureFromBytes(b)
}

// SignatureFromBytes reads 65 bytes whose first is 31 to 34.
func SignatureFromBytes(b []byte) (Signature, error) {
	if len(b) != SignatureSize {
		return Signature{}, fmt.Errorf("%w: %d bytes instead of %d", ErrSignature, len(b), SignatureSize)
	}
	if b[0] < firstByte || b[0] > firstByte+3 {
		return Signature{}, fmt.Errorf("%w: its first byte is %d instead of 31 to 34", ErrSignature, b[0])
	}
	return Signature(b), nil
}

// String returns the text that travels: 104 characters of zbase32.
func (s Signature) String() string { return zbase32.EncodeToString(s[:]) }

// Sign signs a message with a nonce by RFC 6979 and a low s: the same key and
// message always give the same signature.
func Sign(key *btcec.PrivateKey, message []byte) Signature {
	d := digest(message)
	return sign(key, &d)
}

// Recover returns the key that signed the message. Any well-formed signature
// gives some key: whether it is a user's is for the gatekeeper to know.
func Recover(message []byte, s Signature) (UserID, error) {
	d := digest(message)
	return recoverKey(&d, &s)
}

// recoverKey returns the key that signed a digest, or an ErrSignature. A high s is as
// good as a low one. What the fast arithmetic refuses btcec judges, in its words.
func recoverKey(digest *chainhash.Hash, s *Signature) (UserID, error) {
	if user, ok := fastRecover(digest, s); ok {
		return user, nil
	}
	key, _, err := ecdsa.RecoverCompact(s[:], digest[:])
	if err != nil {
		return UserID{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return NewUserID(key), nil
}

// digest is the double SHA-256 of the prefixed message.
func digest(message []byte) chainhash.Hash {
	prefixed := make([]byte, 0, len(messagePrefix)+len(message))
	prefixed = append(prefixed, messagePrefix...)
	prefixed = append(prefixed, message...)
	return chainhash.DoubleHashH(prefixed)
}
