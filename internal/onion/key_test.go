package onion

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

func TestAKeyIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "onion.key")
	first, err := loadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadKey(path)
	if err != nil || again != first {
		t.Errorf("the second key is another: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// The public key is the first test vector of RFC 8032.
func TestTheAddressBelongsToTheKey(t *testing.T) {
	seed, err := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	if err != nil {
		t.Fatal(err)
	}
	k := expand(seed)
	const want = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid"
	if id, err := k.id(); id != want || err != nil {
		t.Errorf("id is %s, %v", id, err)
	}
}

func TestKeysOfOtherProgramsAreTaken(t *testing.T) {
	k := expand(make([]byte, 32))
	for name, content := range map[string]string{
		"lnd": k.String(), "with a line's end": k.String() + "\n", "rust-teos": string(k[:]), "tor": torFile + string(k[:]),
	} {
		if got, err := parseKey([]byte(content)); err != nil || got != k {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, content := range []string{"", "x", keyType, keyType + "AAAA", keyType + "=", string(k[:63]), "RSA1024:" + k.String()} {
		if _, err := parseKey([]byte(content)); err == nil {
			t.Errorf("%q is taken for a key", content)
		}
	}
}
