package onion

import (
	"crypto/rand"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/edwards25519"
)

// keyType is how the control port calls the keys of v3 services.
const keyType = "ED25519-V3:"

// secretSize is the size of an expanded Ed25519 key: scalar and prefix.
const secretSize = 64

// key is that of an onion service, expanded as Tor keeps it.
type key [secretSize]byte

var errKey = errors.New("holds no key of an onion service: put back the file as it was, or remove it to get a new address")

// loadKey reads the key in a file, and makes a new one where there is no file.
func loadKey(path string) (key, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return createKey(path)
	}
	if err != nil {
		return key{}, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return key{}, err
	}
	k, err := parseKey(content)
	if err != nil {
		return key{}, fmt.Errorf("%s %w", path, err)
	}
	return k, nil
}

// torFile is how hs_ed25519_secret_key begins, in which Tor keeps the key of a
// service that its torrc names.
const torFile = "== ed25519v1-secret: type0 ==\x00\x00\x00"

// parseKey takes what the control port takes, which is what lnd keeps, too;
// the bare 64 bytes, which rust-teos keeps; and Tor's own file: an address
// moves by copying a file.
func parseKey(content []byte) (k key, err error) {
	secret := content
	switch {
	case len(content) == len(torFile)+secretSize && strings.HasPrefix(string(content), torFile):
		secret = content[len(torFile):]
	case len(content) != secretSize:
		text, found := strings.CutPrefix(strings.TrimSpace(string(content)), keyType)
		if !found {
			return k, errKey
		}
		if secret, err = base64.StdEncoding.DecodeString(text); err != nil {
			return k, errKey
		}
	}
	if len(secret) != secretSize {
		return k, errKey
	}
	return key(secret), nil
}

func (k key) String() string { return keyType + base64.StdEncoding.EncodeToString(k[:]) }

// createKey makes a key and writes it, whole or not at all.
func createKey(path string) (key, error) {
	var seed [32]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return key{}, err
	}
	k := expand(seed[:])
	temporary, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return key{}, err
	}
	_, err = temporary.WriteString(k.String() + "\n")
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return key{}, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return key{}, err
	}
	return k, syncDir(filepath.Dir(path))
}

// syncDir makes a new name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// expand makes the key of an Ed25519 seed (RFC 8032, 5.1.5).
func expand(seed []byte) key {
	k := key(sha512.Sum512(seed))
	k[0] &= 248
	k[31] = k[31]&63 | 64
	return k
}

// id is the service's name, its address without ".onion": public key, checksum
// and version in base32 (Tor's rend-spec-v3, 6).
func (k key) id() (string, error) {
	scalar, err := new(edwards25519.Scalar).SetBytesWithClamping(k[:32])
	if err != nil {
		return "", err
	}
	public := new(edwards25519.Point).ScalarBaseMult(scalar).Bytes()
	const version = 3
	sum := sha3.Sum256(append(append([]byte(".onion checksum"), public...), version))
	name := append(append(public, sum[:2]...), version)
	return strings.ToLower(base32.StdEncoding.EncodeToString(name)), nil
}
