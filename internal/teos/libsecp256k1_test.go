//go:build libsecp256k1 && cgo

package teos

import (
	"math/big"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chainhash/v2"
)

// sameSignature wants the same bytes of both, where the library may be asked.
func sameSignature(t *testing.T, key *btcec.PrivateKey, digest chainhash.Hash) Signature {
	t.Helper()
	want := Signature(ecdsa.SignCompact(key, digest[:], true))
	s, ok := librarySign(key, &digest)
	if small := new(big.Int).SetBytes(digest[:]).Cmp(btcec.S256().N) < 0; ok != small || ok && s != want {
		t.Fatalf("key %x, digest %x: %x, %v instead of %x", key.Serialize(), digest[:], s[:], ok, want[:])
	}
	if s := sign(key, &digest); s != want {
		t.Fatalf("key %x, digest %x: %x instead of %x", key.Serialize(), digest[:], s[:], want[:])
	}
	return want
}

// FuzzLibsecp256k1Signs holds what the library signs, or refuses to, against btcec.
func FuzzLibsecp256k1Signs(f *testing.F) {
	f.Add([]byte("key"), []byte("digest"))
	f.Fuzz(func(t *testing.T, secret, digest []byte) {
		var d chainhash.Hash
		copy(d[:], digest)
		if key, _ := btcec.PrivKeyFromBytes(secret); !key.Key.IsZero() { // else btcec looks for a nonce without end
			sameSignature(t, key, d)
		}
	})
}

func TestLibsecp256k1AtTheEdges(t *testing.T) {
	all := edges()
	for _, r := range all {
		for _, s := range all {
			if key, _ := btcec.PrivKeyFromBytes(r); !key.Key.IsZero() {
				sameRecovery(t, chainhash.Hash(s), sameSignature(t, key, chainhash.Hash(s)))
			}
		}
	}
}

func TestLibsecp256k1AtRandom(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	for range 1000 {
		var secret [32]byte
		var d chainhash.Hash
		random(source, secret[:], d[:])
		key, _ := btcec.PrivKeyFromBytes(secret[:])
		sameRecovery(t, d, sameSignature(t, key, d))
	}
}

// What the library refuses to sign with, btcec signs with as it always did.
func TestBtcecSignsWhatLibsecp256k1Refuses(t *testing.T) {
	zero, d := new(btcec.PrivateKey), chainhash.HashH([]byte("digest"))
	if _, ok := librarySign(zero, &d); ok {
		t.Error("signed with a key that is zero")
	}
	if s := sign(zero, &d); s != Signature(ecdsa.SignCompact(zero, d[:], true)) {
		t.Errorf("signed %x", s[:])
	}
}

func TestLibsecp256k1ByManyAtOnce(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			key, _ := btcec.PrivKeyFromBytes([]byte{byte(i + 1)})
			for j := range 200 {
				d := chainhash.HashH([]byte{byte(i), byte(j)})
				s, _ := librarySign(key, &d)
				if user, ok := fastRecover(&d, &s); !ok || user != NewUserID(key.PubKey()) {
					t.Errorf("key %d, digest %d: recovered %v, %v", i, j, user, ok)
				}
			}
		})
	}
	all.Wait()
}

func TestLibsecp256k1AllocatesNothing(t *testing.T) {
	key, _ := btcec.PrivKeyFromBytes([]byte{1})
	d := chainhash.HashH([]byte("digest"))
	if n := testing.AllocsPerRun(100, func() {
		s, _ := librarySign(key, &d)
		_, _ = fastRecover(&d, &s)
	}); n != 0 {
		t.Errorf("%v allocations for a signature and a recovery", n)
	}
}
