package teos_test

import (
	"bytes"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
)

func FuzzLocator(f *testing.F) {
	f.Add("00112233445566778899AABBCCDDEEFF")
	f.Add("zz")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := teos.ParseLocator(text)
		if err != nil {
			return
		}
		again, err := teos.ParseLocator(l.String())
		if err != nil || again != l {
			t.Errorf("%q: %v, %v", text, again, err)
		}
	})
}

func FuzzUserID(f *testing.F) {
	f.Add("034f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := teos.ParseUserID(text)
		if err != nil {
			return
		}
		again, err := teos.ParseUserID(u.String())
		if err != nil || again != u {
			t.Errorf("%q: %v, %v", text, again, err)
		}
	})
}

func FuzzSignature(f *testing.F) {
	f.Add(teos.Sign(privateKey([]byte{1}), []byte("m")).String())
	f.Fuzz(func(t *testing.T, text string) {
		s, err := teos.ParseSignature(text)
		if err != nil {
			return
		}
		if s.String() != text {
			t.Errorf("two texts for one signature: %q and %q", text, s)
		}
		if user, err := teos.Recover([]byte(text), s); err == nil {
			if _, err := teos.UserIDFromBytes(user[:]); err != nil {
				t.Errorf("recovered a key that is none: %v", err)
			}
		}
	})
}

func FuzzSignRecover(f *testing.F) {
	f.Add([]byte("key"), []byte("message"))
	f.Fuzz(func(t *testing.T, secret, message []byte) {
		key := privateKey(chainhash.HashB(secret))
		user, err := teos.Recover(message, teos.Sign(key, message))
		if err != nil || user != teos.NewUserID(key.PubKey()) {
			t.Errorf("recovered %v, %v", user, err)
		}
	})
}

func FuzzBlob(f *testing.F) {
	f.Add([]byte("dispute"), []byte("penalty"))
	f.Fuzz(func(t *testing.T, seed, penalty []byte) {
		id := chainhash.HashH(seed)
		for _, d := range []teos.Dialect{teos.V1, teos.V2} {
			blob := teos.EncryptBlob(d, id, penalty)
			got, err := teos.DecryptBlob(d, id, blob)
			if err != nil || !bytes.Equal(got, penalty) {
				t.Errorf("%v: %x, %v", d, got, err)
			}
			blob[len(seed)%len(blob)] ^= 0x80
			if _, err := teos.DecryptBlob(d, id, blob); err == nil {
				t.Errorf("%v: a changed blob decrypted", d)
			}
		}
	})
}

// Messages have no separators: each must still tell its parts apart.
func FuzzAppointmentMessage(f *testing.F) {
	f.Add([]byte("locator of 16 by"), []byte("blob"), uint32(20))
	f.Fuzz(func(t *testing.T, locator, blob []byte, delay uint32) {
		l, err := teos.LocatorFromBytes(locator)
		if err != nil {
			return
		}
		m := teos.Appointment{Locator: l, EncryptedBlob: blob, ToSelfDelay: delay}.Message()
		end := len(m) - 4
		if !bytes.Equal(m[:16], l[:]) || !bytes.Equal(m[16:end], blob) {
			t.Errorf("message %x lost its parts", m)
		}
	})
}

// FuzzForeignBlob: what decrypts is what its maker encrypted, and nothing else
// encrypts to it.
func FuzzForeignBlob(f *testing.F) {
	id := chainhash.HashH([]byte("dispute"))
	f.Add(id[:], teos.EncryptBlob(teos.V2, id, []byte("penalty")), true)
	f.Add(id[:], []byte{}, false)
	f.Add(id[:], make([]byte, 16), true)
	f.Fuzz(func(t *testing.T, dispute, blob []byte, v1 bool) {
		id := chainhash.HashH(dispute)
		if len(dispute) == len(id) {
			id = chainhash.Hash(dispute)
		}
		d := teos.V2
		if v1 {
			d = teos.V1
		}
		plain, err := teos.DecryptBlob(d, id, blob)
		if err == nil && !bytes.Equal(teos.EncryptBlob(d, id, plain), blob) {
			t.Fatalf("two blobs for %x", plain)
		}
	})
}

// FuzzReceipts: no two receipts of one kind have the same message, so that a
// signature over one proves no other.
func FuzzReceipts(f *testing.F) {
	f.Add([]byte("a user's key of 33 bytes........."), uint32(1), uint32(2), uint32(3), uint32(1), uint32(3), uint32(2))
	f.Fuzz(func(t *testing.T, user []byte, slots, start, expiry, slots2, start2, expiry2 uint32) {
		var r, other teos.RegistrationReceipt
		copy(r.User[:], user)
		other.User = r.User
		r.Slots, r.Start, r.Expiry = slots, start, expiry
		other.Slots, other.Start, other.Expiry = slots2, start2, expiry2
		if r != other && bytes.Equal(r.Message(teos.V2), other.Message(teos.V2)) {
			t.Errorf("one message for %+v and %+v", r, other)
		}
		key := privateKey([]byte{1})
		a := teos.AppointmentReceipt{UserSignature: teos.Sign(key, user), StartBlock: start}
		b := teos.AppointmentReceipt{UserSignature: a.UserSignature, StartBlock: start2}
		for _, d := range []teos.Dialect{teos.V1, teos.V2} {
			if a != b && bytes.Equal(a.Message(d), b.Message(d)) {
				t.Errorf("%v: one message for blocks %d and %d", d, start, start2)
			}
			signer, err := teos.Recover(a.Message(d), teos.Sign(key, a.Message(d)))
			if err != nil || signer != teos.NewUserID(key.PubKey()) {
				t.Errorf("%v: signed by %v, %v", d, signer, err)
			}
		}
	})
}
