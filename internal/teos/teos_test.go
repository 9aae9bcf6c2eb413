package teos_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
)

func wantErrorIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func TestUserIDMustBeOnTheCurve(t *testing.T) {
	for name, text := range map[string]string{
		"uneven prefix":    "05" + strings.Repeat("11", 32),
		"x not on curve":   "02" + strings.Repeat("00", 31) + "05",
		"x over the field": "02" + strings.Repeat("ff", 32),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := teos.ParseUserID(text)
			wantErrorIs(t, err, teos.ErrNotAKey)
		})
	}
}

func TestHexIsAcceptedInEitherCase(t *testing.T) {
	lower := "00112233445566778899aabbccddeeff"
	got, err := teos.ParseLocator(strings.ToUpper(lower))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "locator", got.String(), lower)
}

func TestSlotsAtTheEdges(t *testing.T) {
	for size, want := range map[int]uint32{0: 1, 1: 1, 2048: 1, 2049: 2, 4096: 2, 4097: 3, 65536: 32} {
		equal(t, "slots", teos.Slots(size), want)
	}
}

func TestBlobNeedsItsOwnKey(t *testing.T) {
	id := chainhash.HashH([]byte("dispute"))
	blob := teos.EncryptBlob(teos.V1, id, []byte("penalty"))
	_, err := teos.DecryptBlob(teos.V2, id, blob)
	wantErrorIs(t, err, teos.ErrBlob)
	blob[0] ^= 1
	_, err = teos.DecryptBlob(teos.V1, id, blob)
	wantErrorIs(t, err, teos.ErrBlob)
	_, err = teos.DecryptBlob(teos.V1, id, nil)
	wantErrorIs(t, err, teos.ErrBlob)
}

func TestSignatureTextIsStrict(t *testing.T) {
	good := teos.Sign(privateKey([]byte{1}), []byte("m")).String()
	for name, text := range map[string]string{
		"upper case":       strings.ToUpper(good),
		"one short":        good[1:],
		"one long":         good + "y",
		"not zbase32":      "l" + good[1:],
		"trailing newline": good[:103] + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := teos.ParseSignature(text)
			wantErrorIs(t, err, teos.ErrSignature)
		})
	}
}

// Every code of v2 must fit the unsigned byte that its clients parse.
func TestCodesFitTheClients(t *testing.T) {
	for c := teos.NotJSON; c <= teos.WrongMethod; c++ {
		if code := c.Code(teos.V2); code < 1 || code > 255 {
			t.Errorf("cause %d: code %d does not fit v2", c, code)
		}
		if code := c.Code(teos.V1); code >= 0 && c != teos.NotFound {
			t.Errorf("cause %d: code %d is not negative in v1", c, code)
		}
		if s := c.HTTPStatus(teos.V2); s < 400 || s > 599 {
			t.Errorf("cause %d: status %d is no error", c, s)
		}
	}
	equal(t, "unknown cause", teos.Cause(0).Code(teos.V2), teos.Internal.Code(teos.V2))
}

func TestAnUnknownErrorShowsNothingOfItsInside(t *testing.T) {
	e := teos.AsError(errors.New("open /secret/path: permission denied"))
	equal(t, "cause", e.Cause, teos.Internal)
	if strings.Contains(e.Error(), "secret") {
		t.Errorf("inside shown: %q", e.Error())
	}
}
