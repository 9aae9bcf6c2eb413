package teos

import (
	"crypto/sha256"
	"errors"

	"github.com/btcsuite/btcd/chainhash/v2"
	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// BlobTagSize is what encryption adds to a penalty transaction, in bytes.
	BlobTagSize = chacha20poly1305.Overhead

	// MinPenaltySize is the size in bytes of the smallest signed transaction
	// that a node relays: 65 bytes without witness (Bitcoin Core,
	// MIN_STANDARD_TX_NONWITNESS_SIZE). A signature of 64 bytes in a
	// witness makes it longer; an old-style one is part of the 65.
	MinPenaltySize = 65

	// MinBlobSize is the size in bytes of the smallest encrypted blob that
	// can hold a penalty transaction.
	MinBlobSize = MinPenaltySize + BlobTagSize
)

// ErrBlob says that a blob was not encrypted with the key asked for.
var ErrBlob = errors.New("blob does not decrypt with this transaction id")

// EncryptBlob encrypts a serialised penalty transaction with the id of its
// dispute transaction as the secret: ChaCha20-Poly1305 with SHA-256 of the id
// (in the dialect's byte order) as key, a zero nonce and no associated data.
//
// The nonce is fixed by the protocol. Each key is meant for one penalty: two
// different penalties under one dispute id reveal the difference of both to
// whoever sees both blobs.
func EncryptBlob(d Dialect, dispute chainhash.Hash, penalty []byte) []byte {
	aead := blobCipher(d, dispute)
	return aead.seal(penalty)
}

// DecryptBlob undoes EncryptBlob, or fails with ErrBlob.
func DecryptBlob(d Dialect, dispute chainhash.Hash, blob []byte) ([]byte, error) {
	aead := blobCipher(d, dispute)
	return aead.open(blob)
}

type blobKey [chacha20poly1305.KeySize]byte

func blobCipher(d Dialect, dispute chainhash.Hash) blobKey {
	id := idBytes(d, dispute)
	return sha256.Sum256(id[:])
}

var zeroNonce [chacha20poly1305.NonceSize]byte

func (k blobKey) seal(plain []byte) []byte {
	aead, err := chacha20poly1305.New(k[:])
	if err != nil {
		panic(err) // the key's size is fixed by its type
	}
	return aead.Seal(nil, zeroNonce[:], plain, nil)
}

func (k blobKey) open(blob []byte) ([]byte, error) {
	aead, err := chacha20poly1305.New(k[:])
	if err != nil {
		panic(err) // the key's size is fixed by its type
	}
	plain, err := aead.Open(nil, zeroNonce[:], blob, nil)
	if err != nil {
		return nil, ErrBlob
	}
	return plain, nil
}
