package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheKeyIsCreatedOnceForThisUserOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), keyFile)
	first, err := loadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadKey(path)
	if err != nil || !first.Key.Equals(&second.Key) {
		t.Errorf("another key at the second start: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
}

// A damaged key file must never be replaced: it is the tower's identity.
func TestADamagedKeyIsRefusedAndKept(t *testing.T) {
	const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
	for name, text := range map[string]string{
		"empty": "", "no hex": "hello", "short": "00ff", "zero": strings.Repeat("0", 64), "the order": order,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), keyFile)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := loadKey(path); !errors.Is(err, errKey) {
				t.Errorf("got %v", err)
			}
			if kept, err := os.ReadFile(path); err != nil || string(kept) != text {
				t.Errorf("the file holds %q, %v", kept, err)
			}
		})
	}
}

func TestADirectoryIsLockedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), lockFile)
	unlock, err := lockDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(path); !errors.Is(err, errLocked) {
		t.Errorf("got %v", err)
	}
	unlock()
	unlock, err = lockDir(path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
