// Package mass holds the test of a mass breach: many channels cheated in a few
// blocks. With VIGIL_MASS=10000 it is the one that docs/reliability.md tells of.
package mass

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

const (
	// few is how many breaches there are if nobody says.
	few    = 60
	blocks = 3
	users  = 5
)

func breaches(t *testing.T) int {
	t.Helper()
	text := os.Getenv("VIGIL_MASS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < blocks*users {
		t.Fatalf("VIGIL_MASS=%q: want a number of breaches, %d or more", text, blocks*users)
	}
	return n
}

// TestMassBreach: every penalty is out, none was published twice for one tip,
// and appointments were taken meanwhile.
func TestMassBreach(t *testing.T) {
	for _, variant := range harness.Variants() {
		if os.Getenv("VIGIL_MASS") == "" && (variant.Spare() || variant.Name == "lightningd/bitcoind") {
			continue // lightningd takes a second each hundred: only where it was asked for
		}
		t.Run(variant.Name, func(t *testing.T) {
			if variant.Missing != nil {
				t.Skipf("NOT RUN here: %v", variant.Missing)
			}
			play(t, variant, breaches(t))
		})
	}
}

func play(t *testing.T, variant harness.Variant, count int) {
	t.Helper()
	node := harness.StartNode(t, variant.Backend)
	node.MineTo(110)
	s := &scene{T: t, node: node, count: count}
	s.prepare()
	s.tower = harness.StartTower(t, variant, node, harness.Options{"subscription-slots": 1_000_000})
	s.handIn()

	adds := s.addMeanwhile()
	start := time.Now()
	s.cheat()
	until(t, "all penalties to be in the mempool", func() bool { return s.node.MempoolSize() >= count })
	took := time.Since(start)
	adds()
	t.Logf("%d breaches in %d blocks: all penalties in the mempool %v after the first block was handed to the node",
		count, blocks, took.Round(time.Millisecond))
	s.wantTriedOncePerBlock()
	s.confirm()
}

// scene is a tower before and during a mass breach.
type scene struct {
	*testing.T
	node  *harness.Node
	tower harness.Tower
	count int

	disputes, penalties []*wire.MsgTx
}

// prepare makes the disputes, which spend outputs of a few wide transactions,
// and their penalties.
func (s *scene) prepare() {
	s.Helper()
	const wide = 2000
	for len(s.disputes) < s.count {
		n := min(wide, s.count-len(s.disputes))
		fund := s.node.Wallet.WideDispute(n)
		s.node.MineBlock(fund)
		for i := range n {
			dispute := s.node.Wallet.PenaltyAt(fund, i)
			s.disputes = append(s.disputes, dispute)
			s.penalties = append(s.penalties, s.node.Wallet.OwnPenalty(dispute))
		}
	}
}

// handIn registers users who hand all appointments in.
func (s *scene) handIn() {
	s.Helper()
	var work sync.WaitGroup
	for u := range users {
		dialect := teos.V1
		if u%2 == 0 {
			dialect = teos.V2
		}
		user := s.user(dialect)
		work.Go(func() {
			for i := u; i < s.count; i += users {
				a := user.NewAppointment(s.disputes[i].TxHash(), s.penalties[i])
				if _, err := user.Add(s.Context(), a); err != nil {
					s.Errorf("appointment %d: %v", i, err)
					return
				}
			}
		})
	}
	work.Wait()
	if s.Failed() {
		s.FailNow()
	}
}

func (s *scene) user(dialect teos.Dialect) *harness.Client {
	s.Helper()
	user := harness.NewUser(s, dialect, s.tower.HTTP())
	if _, err := user.Register(s.Context()); err != nil {
		s.Fatalf("register: %v", err)
	}
	return user
}

func (s *scene) cheat() {
	s.Helper()
	for b := range blocks {
		s.node.MineBlock(s.disputes[b*s.count/blocks : (b+1)*s.count/blocks]...)
	}
}

// wantTriedOncePerBlock reads what the operator sees of each breach. btcd may keep
// a penalty that comes before it has taken the dispute's block in, and refuse it all
// the same: that one is tried again at the next block.
func (s *scene) wantTriedOncePerBlock() {
	s.Helper()
	var all []harness.Breach
	until(s, "all tries to be noted", func() bool {
		all = s.breaches("")
		return len(all) == s.count && !slices.ContainsFunc(all, func(b harness.Breach) bool { return b.Tries == 0 })
	})
	for _, b := range all {
		if b.Tries > b.TriedHeight-b.DisputeHeight+1 {
			s.Fatalf("published %d times from block %d to %d: %+v", b.Tries, b.DisputeHeight, b.TriedHeight, b)
		}
	}
}

func (s *scene) confirm() {
	s.Helper()
	until(s, "all penalties to confirm", func() bool {
		s.node.Mine(1)
		return s.node.MempoolSize() == 0
	})
	until(s, "the tower to see all of them confirmed", func() bool {
		info, err := s.tower.Info(s.Context())
		return err == nil && info.Confirmed == s.count && info.Pending == 0
	})
}

func (s *scene) breaches(state string) []harness.Breach {
	s.Helper()
	all, err := s.tower.Breaches(s.Context(), state)
	if err != nil {
		s.Fatalf("vigil-breaches: %v", err)
	}
	return all
}

// until is harness.Until with the patience that thousands of breaches take.
func until(t harness.T, what string, ok func() bool) {
	t.Helper()
	if !harness.Eventually(t.Context(), 10*time.Minute, ok) {
		t.Fatalf("waited ten minutes for %s", what)
	}
}
