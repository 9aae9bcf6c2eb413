package main

import (
	"errors"
	"testing"
)

// cheap makes a passphrase cost little for a test.
func cheap(t *testing.T) {
	t.Helper()
	before := sealWork
	sealWork = 4
	t.Cleanup(func() { sealWork = before })
}

func TestSealedIsOpenedByItsPassphraseOnly(t *testing.T) {
	cheap(t)
	sealed, err := seal([]byte("secret"), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := unseal(sealed, "correct horse"); err != nil || string(plain) != "secret" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := unseal(sealed, "wrong horse"); !errors.Is(err, errPassphrase) {
		t.Errorf("got %v", err)
	}
	if _, err := unseal(sealed[:len(sealed)-1], "correct horse"); err == nil {
		t.Error("what is cut short was opened")
	}
}
