//go:build !libsecp256k1

package teos

import (
	"math/big"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
)

// agree holds a known key's word against who is recovered.
func agree(t *testing.T, k *KnownKey, message []byte, s Signature) {
	t.Helper()
	who, err := Recover(message, s)
	want := err == nil && who == k.User()
	if got := k.Signed(message, s); got != want {
		t.Errorf("key %v, message %x, signature %x: signed is %v, recovered is %v (%v)", k.User(), message, s[:], got, who, err)
	}
}

func known(t testing.TB, key *btcec.PrivateKey) *KnownKey {
	t.Helper()
	k := NewKnownKey(NewUserID(key.PubKey()))
	if k == nil {
		t.Fatal("no table for a key on the curve")
	}
	return k
}

// Each multiple in the table is what btcec's own multiplication gives.
func TestKnownKeysMultiples(t *testing.T) {
	key, _ := btcec.PrivKeyFromBytes(chainhash.HashB([]byte("multiples")))
	k := known(t, key)
	var scalar, sixteen btcec.ModNScalar
	scalar.SetInt(1)
	sixteen.SetInt(16)
	for i := range digits {
		var n btcec.ModNScalar
		for d := 1; d <= nonzeros; d++ {
			n.Add(&scalar)
			var point, want btcec.JacobianPoint
			key.PubKey().AsJacobian(&point)
			btcec.ScalarMultNonConst(&n, &point, &want)
			want.ToAffine()
			if m := &k.multiples[i*nonzeros+d-1]; !m.x.Equals(&want.X) || !m.y.Equals(&want.Y) {
				t.Fatalf("the multiple %d * 16^%d is wrong", d, i)
			}
		}
		scalar.Mul(&sixteen)
	}
}

// A known key recognises its signatures, with each bit of them changed, and those of
// others, exactly as recovery does.
func TestKnownKeyAgreesWithRecovery(t *testing.T) {
	for _, seed := range []string{"one", "two", "three"} {
		key, _ := btcec.PrivKeyFromBytes(chainhash.HashB([]byte(seed)))
		other, _ := btcec.PrivKeyFromBytes(chainhash.HashB([]byte(seed + " other")))
		k, message := known(t, key), []byte("a message "+seed)
		s := Sign(key, message)
		if !k.Signed(message, s) {
			t.Fatalf("%s: its own signature is not recognised", seed)
		}
		agree(t, k, message, Sign(other, message))
		agree(t, k, []byte("another message"), s)
		agree(t, k, message, highS(s))
		for bit := range 8 * SignatureSize {
			changed := s
			changed[bit/8] ^= 1 << (bit % 8)
			if _, err := SignatureFromBytes(changed[:]); err == nil {
				agree(t, k, message, changed)
			} else if k.Signed(message, changed) {
				t.Errorf("signature %x, which is none, is recognised", changed[:])
			}
		}
	}
}

// highS is the other signature of the same message by the same key.
func highS(s Signature) Signature {
	var high btcec.ModNScalar
	high.SetByteSlice(s[33:])
	high.Negate()
	b := high.Bytes()
	copy(s[33:], b[:])
	s[0] = firstByte + (s[0] - firstByte) ^ 1
	return s
}

// For any r, s and recovery id there is a key that signed; a table of that key agrees,
// also where r has overflowed the group's order, which no signer can be made to do.
func TestKnownKeyAgreesAtTheEdges(t *testing.T) {
	var values [][]byte
	for n := range int64(9) {
		values = append(values, big.NewInt(n).FillBytes(make([]byte, 32)), less(btcec.S256().N, n), less(btcec.S256().P, n))
	}
	gap := new(big.Int).Sub(btcec.S256().P, btcec.S256().N) // r + n is below p where r is less
	for n := range int64(4) {
		values = append(values, less(gap, n-1))
	}
	key, _ := btcec.PrivKeyFromBytes(chainhash.HashB([]byte("edges")))
	stranger, recovered, overflowed := known(t, key), 0, 0
	for _, r := range values {
		for id := range byte(4) {
			s := compact(id, r, values[len(values)-1])
			who, err := Recover(nil, s)
			agree(t, stranger, nil, s)
			if err != nil {
				continue
			}
			recovered++
			overflowed += int(id >> 1)
			k := NewKnownKey(who)
			for other := range byte(4) {
				for _, rest := range values {
					agree(t, k, nil, compact(other, r, rest))
				}
			}
		}
	}
	if recovered < 10 || overflowed < 5 {
		t.Errorf("only %d of the signatures have a key, %d with r over the order", recovered, overflowed)
	}
}

func less(n *big.Int, by int64) []byte {
	return new(big.Int).Sub(n, big.NewInt(by)).FillBytes(make([]byte, 32))
}

func compact(id byte, r, s []byte) (sig Signature) {
	sig[0] = firstByte + id
	copy(sig[1:33], r)
	copy(sig[33:], s)
	return sig
}

// Where the sum passes through infinity, or adds a point to itself, there is no false
// signature, either: the generator's own key with r = z and r = -z.
func TestKnownKeyAgreesAtInfinity(t *testing.T) {
	one, _ := btcec.PrivKeyFromBytes([]byte{1})
	k, message := known(t, one), []byte("infinity")
	d := digest(message)
	var z btcec.ModNScalar
	z.SetByteSlice(d[:])
	for range 2 {
		for id := range byte(4) {
			b := z.Bytes()
			agree(t, k, message, compact(id, b[:], d[:]))
			agree(t, k, message, compact(id, b[:], b[:]))
		}
		z.Negate()
	}
}

func TestKnownKeyNeedsAPoint(t *testing.T) {
	if NewKnownKey(UserID{2}) != nil || NewKnownKey(UserID{}) != nil {
		t.Error("there is a table for what is no key")
	}
}

func FuzzKnownKey(f *testing.F) {
	key, _ := btcec.PrivKeyFromBytes(chainhash.HashB([]byte("fuzz")))
	k := known(f, key)
	s := Sign(key, []byte("message"))
	f.Add([]byte("message"), s[:], false)
	f.Add([]byte("message"), s[:], true)
	f.Fuzz(func(t *testing.T, message, b []byte, own bool) {
		if own { // a signature of its own, changed by what b says
			s := Sign(key, message)
			for i := range min(len(b), SignatureSize) {
				s[i] ^= b[i]
			}
			b = s[:]
		}
		s, err := SignatureFromBytes(b)
		if err != nil {
			return
		}
		agree(t, k, message, s)
		if who, err := Recover(message, s); err == nil {
			agree(t, NewKnownKey(who), message, s)
		}
	})
}

func BenchmarkKnownKey(b *testing.B) {
	key, _ := btcec.PrivKeyFromBytes(chainhash.HashB([]byte("bench")))
	k, message := known(b, key), []byte("message")
	s := Sign(key, message)
	for b.Loop() {
		k.Signed(message, s)
	}
}

func BenchmarkNewKnownKey(b *testing.B) {
	key, _ := btcec.PrivKeyFromBytes(chainhash.HashB([]byte("bench")))
	id := NewUserID(key.PubKey())
	for b.Loop() {
		NewKnownKey(id)
	}
}
