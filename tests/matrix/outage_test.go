package matrix

import (
	"strings"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/tests/harness"
)

// TestBackendDies at the moment of a breach, and again with its mempool when
// the penalties are there.
func TestBackendDies(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		s := newScene(t, variant, nil)
		u := s.user()
		first, second := s.watched(u, "as it dies"), s.watched(u, "as it comes back")
		s.node.MineBlock(first.dispute)
		s.flush()
		s.node.Kill()
		s.complains("refused")
		s.node.Start()
		s.node.MineBlock(second.dispute)
		s.agrees()
		s.flush()
		s.node.Kill()
		s.node.Start()
		s.node.MineBlock()
		s.confirms(first, second)
	})
}

// flush makes a bitcoind write its chain down, or else it forgets all of a chain
// so young when it is killed.
func (s *scene) flush() {
	s.Helper()
	if s.node.Name() == "bitcoind" {
		s.call(nil, "gettxoutsetinfo")
	}
}

// TestWarmingUp: a backend that answers -28, before the tower starts and while
// it runs.
func TestWarmingUp(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		s := newScene(t, variant, nil)
		u := s.user()
		for name, meanwhile := range map[string]func(){
			"the tower runs":   func() {},
			"the tower starts": func() { s.tower.Stop(); s.tower.Start() },
		} {
			b := s.watched(u, name)
			ready := s.node.WarmUp()
			meanwhile()
			s.node.MineBlock(b.dispute)
			s.node.MineBlock()
			s.complains("-28")
			ready()
			s.confirms(b)
		}
	})
}

// complains waits until the operator is told of a failure of the backend.
func (s *scene) complains(text string) {
	s.Helper()
	s.until("vigil-info to tell of "+text, func() bool {
		info := s.info()
		return strings.Contains(info.SourceError, text) && strings.Contains(strings.Join(info.Warnings, "\n"), text)
	})
}

// TestDowntime of any length: the disputes are in the first block that was
// missed, in the middle one and in the last. One was answered without us.
func TestDowntime(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		lengths := []int{3, 30, 160} // the last is longer than what is remembered
		if full() {
			lengths = append(lengths, 1000)
		}
		s := newScene(t, variant, nil)
		for _, length := range lengths {
			u := s.user()
			first, middle, last := s.watched(u, "first"), s.watched(u, "middle"), s.watched(u, "last")
			answered := s.watched(u, "answered")
			s.tower.Stop()
			contents := make([][]*wire.MsgTx, length)
			for at, txs := range map[int][]*wire.MsgTx{
				0:          {first.dispute},
				length / 2: {middle.dispute, answered.dispute, answered.penalty},
				length - 1: {last.dispute},
			} {
				contents[at] = append(contents[at], txs...)
			}
			s.grow(s.tip(), contents)
			s.tower.Start()
			s.agrees()
			s.confirms(first, middle, last)
		}
	})
}

// TestLightningdRestarts while a penalty is refused, and while a dispute is
// mined: both are answered without another block.
func TestLightningdRestarts(t *testing.T) {
	t.Parallel()
	for _, carrier := range []string{"plugin/", "lightningd/"} {
		onEach(t, carrier, func(t *testing.T, variant harness.Variant) {
			s := newScene(t, variant, nil)
			u := s.user()
			refused, unseen := s.watched(u, "refused"), s.watched(u, "unseen")
			s.node.MustSend(refused.dispute)
			s.node.MustSend(refused.rival)
			s.node.MineBlock(refused.dispute)
			s.agrees()
			harness.RestartLightningd(s, s.tower, func() {
				s.node.MineBlock(unseen.dispute)
				s.restart()
			})
			s.confirms(refused, unseen)
		})
	}
}

// TestRivalBuried: the cheater's own spend ends a breach when it is as deep as
// a penalty would have to be, and the operator is told which it was.
func TestRivalBuried(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		s := newScene(t, variant, nil)
		b := s.watched(s.user(), "lost")
		s.node.MineBlock(b.dispute)
		s.agrees()
		s.node.MineBlock(b.rival)
		s.node.Mine(burial - 2)
		s.agrees()
		if b.end != watching {
			s.Fatal("it was over too early")
		}
		s.node.Mine(1)
		s.agrees()
		if b.end != lost {
			s.Fatal("it is not over")
		}
		if harness.TowerLogged(s.tower, "WARN", "breach is over", "rivalled", b.rival.TxHash().String()) != 1 {
			s.Fatal("the log does not say once that the breach was lost, and to which rival")
		}
	})
}

// warns demands a warning of vigil-info.
func (s *scene) warns(text string) {
	s.Helper()
	if warnings := s.info().Warnings; !strings.Contains(strings.Join(warnings, "\n"), text) {
		s.Fatalf("vigil-info does not warn of %q: %q", text, warnings)
	}
}
