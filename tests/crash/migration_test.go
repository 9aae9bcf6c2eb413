package crash

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// TestKilledInAMigration kills the start that brings a store of the first
// schema up to date, at its first calls of each kind. The next start goes on,
// and what the first version promised is there.
func TestKilledInAMigration(t *testing.T) {
	t.Parallel()
	strace(t)
	node := harness.StartNode(t, harness.Btcd())
	node.MineTo(firstHeight) // another chain than the store's: the tower waits
	for _, call := range []string{"open", "pwrite64", "fsync", "ftruncate", "unlink"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= mostCalls() && killedInMigration(t, node, call, n); n++ {
			}
		})
	}
}

func killedInMigration(t *testing.T, node *harness.Node, call string, n int) (killed bool) {
	t.Helper()
	dir := firstSchema(t)
	tower := harness.NewSolo(t, node, harness.PlainVigil(t), dir, quiet())
	killed = walk(t, tower, call, n)
	tower.Kill()
	tower.Launch()
	ready(t, tower)
	promised(t, tower.HTTP())
	tower.Kill()
	return killed
}

// firstSchema is the directory of a tower of version 0.1, whose key is 32
// bytes of 1. testdata has its store: made at block 110 of a chain that is
// gone, with one user, whose key is 32 bytes of 2, one registration of
// perRegistration slots and five appointments.
func firstSchema(t *testing.T) (dir string) {
	t.Helper()
	dir = harness.Dir(t)
	packed, err := os.Open("testdata/schema1.sqlite.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{
		storeOf(dir):                    content,
		filepath.Join(dir, "tower.key"): []byte(strings.Repeat("01", 32)),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// promised demands the five appointments, each with its old receipt, and the
// slots that they leave.
func promised(t *testing.T, door harness.Door) {
	t.Helper()
	key, _ := btcec.PrivKeyFromBytes(bytes.Repeat([]byte{2}, 32))
	user := harness.NewClient(teos.V2, key, door)
	towerKey, _ := btcec.PrivKeyFromBytes(bytes.Repeat([]byte{1}, 32))
	user.Tower = teos.NewUserID(towerKey.PubKey())
	for i := range byte(5) {
		a := teos.Appointment{Locator: teos.Locator{i}, EncryptedBlob: bytes.Repeat([]byte{i}, 300), ToSelfDelay: 20}
		held, err := user.Get(t.Context(), a.Locator)
		if err != nil || !holds(held, a) {
			t.Fatalf("LOST: appointment %d: %+v, %v", i, held, err)
		}
		r, err := user.Add(t.Context(), a)
		if err != nil || *r.StartBlock != firstHeight || *r.Slots != perRegistration-5 {
			t.Fatalf("appointment %d has another receipt: %v", i, err)
		}
	}
}
