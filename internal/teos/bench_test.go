package teos_test

import (
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/teos"
)

// What can't be saved: the least that an appointment costs is one signature
// recovered and one made.

var benchKey, _ = btcec.PrivKeyFromBytes([]byte{1})

func BenchmarkSign(b *testing.B) {
	message := make([]byte, 320)
	for b.Loop() {
		teos.Sign(benchKey, message)
	}
}

func BenchmarkRecover(b *testing.B) {
	message := make([]byte, 320)
	signature := teos.Sign(benchKey, message)
	for b.Loop() {
		if _, err := teos.Recover(message, signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUserIDFromBytes(b *testing.B) {
	id := teos.NewUserID(benchKey.PubKey())
	for b.Loop() {
		if _, err := teos.UserIDFromBytes(id[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseSignature(b *testing.B) {
	text := teos.Sign(benchKey, nil).String()
	for b.Loop() {
		if _, err := teos.ParseSignature(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignatureString(b *testing.B) {
	s := teos.Sign(benchKey, nil)
	for b.Loop() {
		_ = s.String()
	}
}
