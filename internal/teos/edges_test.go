package teos_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
)

// signatureOf puts a signature together whose parts may be anything.
func signatureOf(first byte, r, s *big.Int) (sig teos.Signature) {
	sig[0] = first
	r.FillBytes(sig[1:33])
	s.FillBytes(sig[33:])
	return sig
}

// plus is x + n.
func plus(x *big.Int, n int64) *big.Int { return new(big.Int).Add(x, big.NewInt(n)) }

// infinite is a signature of a message that leads to no key: with R = kG and
// s = e/k, sR - eG is the point at infinity.
func infinite(message []byte) teos.Signature {
	n := btcec.S256().N
	key := privateKey([]byte{7})
	public := key.PubKey()
	digest := chainhash.DoubleHashB(append([]byte("Lightning Signed Message:"), message...))
	s := new(big.Int).ModInverse(big.NewInt(7), n)
	s.Mul(s, new(big.Int).SetBytes(digest)).Mod(s, n)
	return signatureOf(31+(public.SerializeCompressed()[0]&1), public.X(), s)
}

// Whichever library recovers, it refuses the same and says the same.
func TestRecoverAtTheEdges(t *testing.T) {
	message := []byte("edge")
	n, p := btcec.S256().N, btcec.S256().P
	one, top := big.NewInt(1), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	beyond := new(big.Int).Sub(p, n) // the least r that no overflow can have made
	for _, c := range []struct {
		name      string
		signature teos.Signature
		refusal   string // empty where there is a key
	}{
		{"r is 0", signatureOf(31, new(big.Int), one), "R is 0"},
		{"s is 0", signatureOf(31, one, new(big.Int)), "S is 0"},
		{"r is the order", signatureOf(31, n, one), "R >= group order"},
		{"s is the order", signatureOf(31, one, n), "S >= group order"},
		{"r is all ones", signatureOf(34, top, one), "R >= group order"},
		{"s is all ones", signatureOf(34, one, top), "S >= group order"},
		{"s is the greatest", signatureOf(31, one, plus(n, -1)), ""},
		{"r of no point", signatureOf(31, big.NewInt(5), one), "not for a valid curve point"},
		{"r overflows to a point", signatureOf(33, big.NewInt(2), one), ""},
		{"r overflows to no point", signatureOf(33, big.NewInt(1), one), "not for a valid curve point"},
		{"r overflows the field", signatureOf(34, beyond, one), "R + N >= P"},
		{"r overflows far", signatureOf(33, plus(n, -1), one), "R + N >= P"},
		{"the point at infinity", infinite(message), "recovered pubkey is the point at infinity"},
		{"first byte 26", signatureOf(26, one, one), "recovery code 26 is not in the valid range"},
		{"first byte 27", signatureOf(27, one, one), ""},
		{"first byte 35", signatureOf(35, one, one), "recovery code 35 is not in the valid range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			user, err := teos.Recover(message, c.signature)
			if c.refusal == "" {
				if _, bad := teos.UserIDFromBytes(user[:]); err != nil || bad != nil {
					t.Errorf("refused: %v, %v", err, bad)
				}
				return
			}
			wantErrorIs(t, err, teos.ErrSignature)
			if err == nil || !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("got error %v, want one that says %q", err, c.refusal)
			}
			equal(t, "key", user, teos.UserID{})
		})
	}
}

// A signature with a high s, which nobody makes, is taken: it proves as much.
func TestHighSRecoversTheSameKey(t *testing.T) {
	key := privateKey([]byte{1})
	low := teos.Sign(key, []byte("m"))
	s := new(big.Int).SetBytes(low[33:])
	high := signatureOf(31+((low[0]-31)^1), new(big.Int).SetBytes(low[1:33]), s.Sub(btcec.S256().N, s))
	user, err := teos.Recover([]byte("m"), high)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "key", user, teos.NewUserID(key.PubKey()))
}
