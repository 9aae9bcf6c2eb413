//go:build libsecp256k1 && cgo

package teos

import (
	"bytes"
	"errors"
	"math/big"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chainhash/v2"
)

// sameRecovery wants of libsecp256k1 what btcec says: the same key or the same
// refusal, and in the end the same words.
func sameRecovery(t *testing.T, digest chainhash.Hash, s Signature) {
	t.Helper()
	public, _, refusal := ecdsa.RecoverCompact(s[:], digest[:])
	user, ok := libraryRecover(&digest, &s)
	if ok != (refusal == nil) {
		t.Fatalf("digest %x, signature %x: the library says %v, btcec %v", digest[:], s[:], ok, refusal)
	}
	got, err := recoverKey(&digest, &s)
	if !ok {
		if !errors.Is(err, refusal) || !errors.Is(err, ErrSignature) || got != (UserID{}) || user != (UserID{}) {
			t.Fatalf("digest %x, signature %x: %v, %v instead of %v", digest[:], s[:], got, err, refusal)
		}
		return
	}
	if want := NewUserID(public); err != nil || user != want || got != want {
		t.Fatalf("digest %x, signature %x: keys %v and %v, %v instead of %v", digest[:], s[:], user, got, err, want)
	}
}

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

// FuzzLibsecp256k1 holds libsecp256k1 against btcec: for a signature made of
// anything, for one that the key makes, and for that with a bit changed.
func FuzzLibsecp256k1(f *testing.F) {
	f.Add([]byte("key"), []byte("digest"), []byte("signature"), uint16(0))
	f.Fuzz(func(t *testing.T, secret, digest, signature []byte, bit uint16) {
		var d chainhash.Hash
		var s Signature
		copy(d[:], digest)
		copy(s[:], signature)
		sameRecovery(t, d, s)
		key, _ := btcec.PrivKeyFromBytes(secret)
		if key.Key.IsZero() {
			return // btcec looks for a nonce without end
		}
		s = sameSignature(t, key, d)
		sameRecovery(t, d, s)
		s[int(bit/8)%len(s)] ^= 1 << (bit % 8)
		sameRecovery(t, d, s)
	})
}

// edges are the numbers of 32 bytes at which something changes.
func edges() (all [][]byte) {
	n, p := btcec.S256().N, btcec.S256().P
	half := new(big.Int).Rsh(n, 1)
	for _, x := range []*big.Int{new(big.Int), half, n, p, new(big.Int).Sub(p, n)} {
		for d := int64(-2); d <= 2; d++ {
			if y := new(big.Int).Add(x, big.NewInt(d)); y.Sign() >= 0 {
				all = append(all, y.FillBytes(make([]byte, 32)))
			}
		}
	}
	return append(all, bytes.Repeat([]byte{0xff}, 32))
}

func TestLibsecp256k1AtTheEdges(t *testing.T) {
	first := []byte{0, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 255}
	all := edges()
	for _, r := range all {
		for i, s := range all {
			for _, b := range first {
				sameRecovery(t, chainhash.Hash(all[i]), Signature(bytes.Join([][]byte{{b}, r, s}, nil)))
			}
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
		var d, other chainhash.Hash
		var junk Signature
		for _, b := range [][]byte{secret[:], d[:], other[:], junk[:]} {
			_, _ = source.Read(b) // never fails
		}
		key, _ := btcec.PrivKeyFromBytes(secret[:])
		s := sameSignature(t, key, d)
		sameRecovery(t, d, s)
		sameRecovery(t, other, s)
		junk[0] = firstByte + junk[0]&3
		sameRecovery(t, d, junk)
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
				if user, ok := libraryRecover(&d, &s); !ok || user != NewUserID(key.PubKey()) {
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
		_, _ = libraryRecover(&d, &s)
	}); n != 0 {
		t.Errorf("%v allocations for a signature and a recovery", n)
	}
}
