package teos

import (
	"bytes"
	"errors"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chainhash/v2"
)

// sameRecovery wants of the fast arithmetic what btcec says: the same key or the same
// refusal, and in the end the same words.
func sameRecovery(t *testing.T, digest chainhash.Hash, s Signature) (refused bool) {
	t.Helper()
	public, _, refusal := ecdsa.RecoverCompact(s[:], digest[:])
	user, ok := fastRecover(&digest, &s)
	if ok != (refusal == nil) && bits.UintSize >= 64 {
		t.Fatalf("digest %x, signature %x: %v, but btcec says %v", digest[:], s[:], ok, refusal)
	}
	got, err := recoverKey(&digest, &s)
	if refusal != nil {
		if !errors.Is(err, refusal) || !errors.Is(err, ErrSignature) || got != (UserID{}) || user != (UserID{}) || ok {
			t.Fatalf("digest %x, signature %x: %v, %v instead of %v", digest[:], s[:], got, err, refusal)
		}
		return true
	}
	if want := NewUserID(public); err != nil || got != want || ok && user != want {
		t.Fatalf("digest %x, signature %x: keys %v and %v, %v instead of %v", digest[:], s[:], user, got, err, want)
	}
	return false
}

// edges are the numbers of 32 bytes at which something changes.
func edges() (all [][]byte) {
	n, p := btcec.S256().N, btcec.S256().P
	half := new(big.Int).Rsh(n, 1)
	for _, x := range []*big.Int{new(big.Int), half, n, p, new(big.Int).Sub(p, n)} {
		for d := int64(-3); d <= 3; d++ {
			if y := new(big.Int).Add(x, big.NewInt(d)); y.Sign() >= 0 {
				all = append(all, y.FillBytes(make([]byte, 32)))
			}
		}
	}
	return append(all, bytes.Repeat([]byte{0xff}, 32))
}

func TestRecoveryAtTheEdges(t *testing.T) {
	first := []byte{0, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 255}
	var keys, refusals int
	all := edges()
	for _, r := range all {
		for i, s := range all {
			for _, b := range first {
				if sameRecovery(t, chainhash.Hash(all[(i+1)%len(all)]), compact(b, r, s)) {
					refusals++
				} else {
					keys++
				}
			}
		}
	}
	if keys < 500 || refusals < 500 {
		t.Errorf("%d keys, %d refusals", keys, refusals)
	}
}

func compact(first byte, r, s []byte) Signature {
	return Signature(bytes.Join([][]byte{{first}, r, s}, nil))
}

// random fills with what is the same in each run.
func random(source *rand.ChaCha8, all ...[]byte) {
	for _, b := range all {
		_, _ = source.Read(b) // never fails
	}
}

func TestRecoveryAtRandom(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	for range 1000 {
		var secret [32]byte
		var d, other chainhash.Hash
		var junk Signature
		random(source, secret[:], d[:], other[:], junk[:])
		key, _ := btcec.PrivKeyFromBytes(secret[:])
		s := sign(key, &d)
		sameRecovery(t, d, s)
		sameRecovery(t, other, s)
		junk[0] = firstByte + junk[0]&3
		sameRecovery(t, d, junk)
	}
}

// Where the sum passes through infinity, ends there, or adds a point to itself: nonces
// that are small multiples of the generator, and digests that are multiples of s.
func TestRecoveryOfRelatedPoints(t *testing.T) {
	var refusals int
	for k := int64(1); k <= 24; k++ {
		nonce, _ := btcec.PrivKeyFromBytes(big.NewInt(k).Bytes())
		point := nonce.PubKey()
		r := point.X().FillBytes(make([]byte, 32))
		for m := int64(-24); m <= 24; m++ { // z = m s: the key is s (k - m) / r
			s := big.NewInt(987654321)
			z := new(big.Int).Mul(s, big.NewInt(m))
			z.Mod(z, btcec.S256().N)
			first := firstByte + point.SerializeCompressed()[0]&1
			if sameRecovery(t, chainhash.Hash(z.FillBytes(make([]byte, 32))), compact(first, r, s.FillBytes(make([]byte, 32)))) {
				refusals++
			}
		}
	}
	if refusals != 24 {
		t.Errorf("%d sums were at infinity instead of 24", refusals)
	}
}

// FuzzRecover holds recovery against btcec: of a signature made of anything, of one that
// the key makes, which is btcec's, and of that with a bit changed.
func FuzzRecover(f *testing.F) {
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
		if s = sign(key, &d); s != Signature(ecdsa.SignCompact(key, d[:], true)) {
			t.Fatalf("key %x, digest %x: %x is not btcec's", key.Serialize(), d[:], s[:])
		}
		sameRecovery(t, d, s)
		s[int(bit/8)%len(s)] ^= 1 << (bit % 8)
		sameRecovery(t, d, s)
	})
}
