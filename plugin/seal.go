package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// sealWork is scrypt's cost, 2^n: about a second and 256 MB to try a passphrase.
// Tests have less time.
var sealWork = 18

// errPassphrase says that a passphrase does not open what was sealed.
var errPassphrase = errors.New("wrong passphrase: it is not the one that this was sealed with")

// maxSealed bounds what is sealed, in bytes: keys.
const maxSealed = 4096

// seal encrypts with a passphrase, in age's format.
func seal(plain []byte, passphrase string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(sealWork)
	var b bytes.Buffer
	w, err := age.Encrypt(&b, recipient)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(plain)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unseal undoes seal, or fails with errPassphrase or for damage.
func unseal(sealed []byte, passphrase string) ([]byte, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if errors.As(err, new(*age.NoIdentityMatchError)) {
		return nil, errPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("what is sealed is damaged: %w", err)
	}
	return io.ReadAll(io.LimitReader(r, maxSealed))
}
