package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/btcsuite/btcd/btcec/v2"
)

// errKey says that a file or a secret holds no key.
var errKey = errors.New("not a private key: 32 bytes of hex, from 1 to the order of secp256k1 less 1")

// errNoKey says that a tower's key is gone. A new one in its place would be that of
// another tower, and in the way of the right one.
var errNoKey = errors.New("the tower's key is gone, and another key is another tower: put the file back, " +
	"from your copy or by `vigil restore --passphrase` into an empty directory; to begin a new tower, name another --data-dir")

// ownKey reads the key of the tower in a directory, and creates it where there has
// been no tower yet.
func ownKey(dir string) (*btcec.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	if exists(path) {
		return readKey(path)
	}
	store, err := os.Stat(filepath.Join(dir, storeFile))
	if exists(filepath.Join(dir, markFile)) || err == nil && store.Size() > 0 {
		return nil, fmt.Errorf("%w (%s)", errNoKey, path)
	}
	return loadKey(path)
}

// loadKey reads the tower's key from a file, which it creates once, for this
// user only. The key is the tower's identity: its users know the tower by it.
func loadKey(path string) (*btcec.PrivateKey, error) {
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(path)
	}
	return key, err
}

// readKey reads a key that must be there.
func readKey(path string) (*btcec.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := keyOf(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// keyOf reads what writeKey wrote.
func keyOf(text []byte) (*btcec.PrivateKey, error) {
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, errKey
	}
	return parseKey(secret)
}

func parseKey(secret []byte) (*btcec.PrivateKey, error) {
	var scalar btcec.ModNScalar
	if len(secret) != btcec.PrivKeyBytesLen || scalar.SetByteSlice(secret) || scalar.IsZero() {
		return nil, errKey
	}
	key, _ := btcec.PrivKeyFromBytes(secret)
	return key, nil
}

// createKey makes a new key and writes it.
func createKey(path string) (*btcec.PrivateKey, error) {
	secret := make([]byte, btcec.PrivKeyBytesLen)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	key, err := parseKey(secret)
	if err != nil {
		return nil, err
	}
	return key, writeKey(path, key)
}

func writeKey(path string, key *btcec.PrivateKey) error {
	return writeSecret(path, []byte(hex.EncodeToString(key.Serialize())+"\n"))
}

// writeSecret writes a file for this user only, whole or not at all.
func writeSecret(path string, content []byte) error {
	temporary, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
