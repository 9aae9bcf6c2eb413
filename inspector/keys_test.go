package inspector

import (
	"errors"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/teos"
)

// What is remembered of one key says nothing of another in its place.
func TestKeysAreRememberedWhole(t *testing.T) {
	var k keys
	key, _ := btcec.PrivKeyFromBytes([]byte{1})
	user := teos.NewUserID(key.PubKey())
	other, notOne := user, user
	other[0] ^= 1 // 02 or 03: the same point, mirrored
	notOne[0] = 5
	for range 2 {
		for _, want := range []teos.UserID{user, other} {
			if got, err := k.parse(want[:]); err != nil || got != want {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		}
		if _, err := k.parse(notOne[:]); !errors.Is(err, teos.ErrNotAKey) {
			t.Errorf("got %v, want %v", err, teos.ErrNotAKey)
		}
		if _, err := k.parse(user[:32]); err == nil {
			t.Error("32 bytes are a key")
		}
	}
}
