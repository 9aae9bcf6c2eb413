//go:build libsecp256k1 && cgo

package teos

/*
#cgo pkg-config: libsecp256k1
#cgo noescape vigil_sign
#cgo nocallback vigil_sign
#cgo noescape vigil_recover
#cgo nocallback vigil_recover

#include <stddef.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>

// Without it the library ends the process when it is called wrongly. With it
// the call returns 0.
static void vigil_refuse(const char *text, void *data) { (void)text; (void)data; }

static secp256k1_context *vigil_context(const unsigned char *seed32) {
	secp256k1_context *c = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
	if (c == NULL) return NULL;
	secp256k1_context_set_illegal_callback(c, vigil_refuse, NULL);
	if (secp256k1_context_randomize(c, seed32)) return c;
	secp256k1_context_destroy(c);
	return NULL;
}

static int vigil_sign(const secp256k1_context *c, unsigned char *sig65, const unsigned char *digest32, const unsigned char *key32) {
	secp256k1_ecdsa_recoverable_signature s;
	int id;
	if (c == NULL || !secp256k1_ecdsa_sign_recoverable(c, &s, digest32, key32, secp256k1_nonce_function_rfc6979, NULL)) return 0;
	secp256k1_ecdsa_recoverable_signature_serialize_compact(c, sig65 + 1, &id, &s);
	sig65[0] = 27 + 4 + id;
	return 1;
}

static int vigil_recover(const secp256k1_context *c, unsigned char *key33, const unsigned char *digest32, const unsigned char *sig65) {
	secp256k1_ecdsa_recoverable_signature s;
	secp256k1_pubkey key;
	size_t size = 33;
	if (c == NULL || sig65[0] < 27 || sig65[0] > 27 + 4 + 3) return 0;
	if (!secp256k1_ecdsa_recoverable_signature_parse_compact(c, &s, sig65 + 1, (sig65[0] - 27) & 3)) return 0;
	if (!secp256k1_ecdsa_recover(c, &key, &s, digest32)) return 0;
	return secp256k1_ec_pubkey_serialize(c, key33, &size, &key, SECP256K1_EC_COMPRESSED);
}
*/
import "C"

import (
	"crypto/rand"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chainhash/v2"
)

// library is libsecp256k1's context, blinded against side channels; NULL where
// it could not be made. Nothing changes it any more, so all threads share it.
var library = newLibrary()

func newLibrary() *C.secp256k1_context {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails
	return C.vigil_context((*C.uchar)(&seed[0]))
}

// sign signs a digest with a nonce by RFC 6979 and a low s. Where the library is
// not asked or refuses, btcec signs: results are the same to the byte.
func sign(key *btcec.PrivateKey, digest *chainhash.Hash) Signature {
	if s, ok := librarySign(key, digest); ok {
		return s
	}
	return Signature(ecdsa.SignCompact(key, digest[:], true))
}

// librarySign fails for a key that is zero, and for a digest that is the group's
// order or more (one in 2^128): RFC 6979 has it reduced, btcec does not reduce it.
func librarySign(key *btcec.PrivateKey, digest *chainhash.Hash) (s Signature, ok bool) {
	if new(btcec.ModNScalar).SetBytes((*[32]byte)(digest)) != 0 {
		return s, false
	}
	var secret [32]byte
	defer clear(secret[:])
	key.Key.PutBytes(&secret)
	made := C.vigil_sign(library, (*C.uchar)(&s[0]), (*C.uchar)(&digest[0]), (*C.uchar)(&secret[0]))
	return s, made == 1
}

// fastRecover does not say why it refuses.
func fastRecover(digest *chainhash.Hash, s *Signature) (user UserID, ok bool) {
	found := C.vigil_recover(library, (*C.uchar)(&user[0]), (*C.uchar)(&digest[0]), (*C.uchar)(&s[0]))
	return user, found == 1
}
