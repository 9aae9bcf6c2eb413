package tests

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// teosClient is a user of a tower of rust-teos; the same name, the same key.
func teosClient(name string, door harness.Door) *harness.Client {
	seed := sha256.Sum256([]byte(name))
	key, _ := btcec.PrivKeyFromBytes(seed[:])
	user := harness.NewClient(teos.V2, key, door)
	user.Bare = true
	return user
}

// teosScene is a tower of rust-teos with all that one may hold.
type teosScene struct {
	*scene
	teosd                    *harness.Teosd
	alice, bob, carol        *harness.Client
	waiting, pending, solved breach
	junk                     []teos.Appointment // that no dispute triggers
}

func newTeosScene(t *testing.T, program string) *teosScene {
	t.Helper()
	backend, err := harness.Bitcoind()
	if err != nil {
		t.Skipf("NOT RUN here: %v", err)
	}
	node := harness.StartNode(t, backend)
	node.MineTo(firstHeight)
	s := &teosScene{scene: &scene{T: t, node: node}, teosd: harness.StartTeosd(t, program, node)}
	s.alice, s.bob, s.carol = teosClient("alice", s.teosd.HTTP()), teosClient("bob", s.teosd.HTTP()), teosClient("carol", s.teosd.HTTP())
	for _, user := range []*harness.Client{s.alice, s.bob, s.carol} {
		s.register(user)
	}
	s.register(s.bob) // twice
	s.handIn()
	return s
}

func (s *teosScene) handIn() {
	s.Helper()
	s.waiting = s.watched(s.alice)
	s.add(s.bob, s.bob.NewAppointment(s.waiting.dispute.TxHash(), s.waiting.penalty))
	// An update.
	first := s.waiting.appointment
	first.Locator[0] ^= 1
	s.add(s.alice, first)
	first.EncryptedBlob = bytes.Repeat([]byte{7}, 500)
	s.add(s.alice, first)
	s.junk = append(s.junk, first)
	for i, size := range []int{0, 10, 100} {
		a := teos.Appointment{Locator: teos.Locator{byte(i), 0xff}, EncryptedBlob: make([]byte, size), ToSelfDelay: 42}
		_, err := s.alice.Add(s.Context(), a)
		if refusal := (*harness.Refusal)(nil); errors.As(err, &refusal) {
			s.Logf("a blob of %d bytes: %v", size, refusal)
			continue
		}
		if err != nil {
			s.Fatal(err)
		}
		s.junk = append(s.junk, a)
	}
	s.solved, s.pending = s.watched(s.alice), s.watched(s.bob)
	s.teosd.Sees(s.node.MineBlock(s.solved.dispute, s.pending.dispute))
	s.answeredByTeosd(s.solved)
	s.answeredByTeosd(s.pending)
	s.teosd.Sees(s.node.MineBlock(s.solved.penalty))
	s.teosd.Sees(s.node.MineBlock())
	s.teosd.Sees(s.node.MineBlock())
}

func (s *teosScene) answeredByTeosd(b breach) {
	s.Helper()
	txid := b.penalty.TxHash()
	harness.Until(s, "teosd's penalty to enter the mempool", func() bool { return s.node.InMempool(txid) })
}

func TestATowerOfRustTeosMovesIn(t *testing.T) {
	program, err := harness.FindTeosd()
	if err != nil {
		t.Skipf("NOT RUN here: %v", err)
	}
	t.Parallel()
	s := newTeosScene(t, program)
	before := map[*harness.Client]harness.Subscription{}
	for _, user := range []*harness.Client{s.alice, s.bob, s.carol} {
		before[user] = s.subscription(user)
	}
	if _, err := s.importTeos(); err == nil || !strings.Contains(err.Error(), "teosd runs") {
		t.Fatalf("imported from a running tower: %v", err)
	}
	s.teosd.Stop()
	keepStore(t, s.teosd.Dir())
	s.node.MineBlock() // that nobody sees
	s.cheat(s.waiting)
	for _, args := range [][]string{{"--dry-run"}, {}} {
		report, err := s.importTeos(args...)
		if err != nil || !strings.Contains(report, "users        3 new, 0 renewed, 0 here") || !strings.Contains(report, "breaches     2 taken over") {
			t.Fatalf("import %v: %v, %s", args, err, report)
		}
	}
	report, err := s.importTeos()
	if err != nil || !strings.Contains(report, "users        0 new, 0 renewed, 3 here") || !strings.Contains(report, "appointments 0 new, 0 updated, 8 here") {
		t.Fatalf("import again: %v, %s", err, report)
	}

	// The clients find the same tower where they expect it.
	solo := harness.NewSoloAt(t, s.node, harness.Vigil(t), s.dir(), s.teosd.Address(), nil)
	solo.Launch()
	s.tower = solo
	harness.Until(t, "the tower to listen", func() bool { return solo.HTTP().Ping(t.Context()) })
	s.settle()
	s.answered(s.waiting)
	for user, was := range before {
		now := s.subscription(user)
		now.Appointments = was.Appointments // of another dialect
		if !reflect.DeepEqual(now, was) {
			t.Errorf("a subscription was %+v and is %+v", was, now)
		}
	}
	s.responded(s.pending)
	s.responded(s.solved)
	for _, a := range s.junk {
		if held := s.get(s.alice, a); held.Status != harness.BeingWatched || held.Appointment.EncryptedBlob != hex.EncodeToString(a.EncryptedBlob) {
			t.Errorf("got %+v, want %v", held, a)
		}
	}
	next := s.watched(s.carol) // its receipt is verified against the tower's old key
	s.cheat(next)
	s.answered(next)
	s.node.Mine(1)
	s.settle()
	harness.Until(t, "every breach to be answered", func() bool {
		info := s.info()
		return info.Pending == 0 && info.Confirmed == 5 && info.Rivalled == 0 // alice and bob had the same
	})
}

func (s *teosScene) dir() string { return filepath.Join(s.teosd.Dir(), "vigil") }

// importTeos runs the command and returns what it prints.
func (s *teosScene) importTeos(args ...string) (string, error) {
	s.Helper()
	args = append([]string{"import-teos", s.teosd.Dir(), "--data-dir", s.dir(),
		"--bitcoind", s.node.URL(), "--bitcoind-cookie", s.node.Cookie()}, args...)
	cmd := exec.CommandContext(s.Context(), harness.Vigil(s), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return string(out), err
}

// keepStore keeps the store of a real tower for the tests of internal/mover where
// VIGIL_KEEP_TEOS names a file.
func keepStore(t *testing.T, dir string) {
	t.Helper()
	keep := os.Getenv("VIGIL_KEEP_TEOS")
	if keep == "" {
		return
	}
	raw, err := os.ReadFile(filepath.Join(dir, "regtest", "teos_db.sql3"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keep, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}
