package tests

import (
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// TestBackendDownAndBack: appointments are accepted while the chain is out of
// reach, and a breach after is answered.
func TestBackendDownAndBack(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		user := s.user(teos.V2)
		before, during := s.watched(user), s.prepared(user)
		s.settle()
		height := uint32(s.node.Height())
		s.node.Stop()

		receipt := s.add(user, during.appointment)
		if *receipt.StartBlock != height {
			s.Fatalf("start_block %d while the chain is away, want %d", *receipt.StartBlock, height)
		}
		newcomer := harness.NewUser(s, teos.V1, s.tower.HTTP())
		s.register(newcomer)
		harness.Until(s, "vigil-info to tell of the outage", func() bool { return s.info().SourceError != "" })

		s.node.Start()
		s.node.MineBlock(before.dispute, during.dispute)
		s.answered(before)
		s.answered(during)
		harness.Until(s, "vigil-info to tell of the end of the outage", func() bool { return s.info().SourceError == "" })
	})
}

// TestStartWithoutBackend: a tower that starts while the chain is away serves
// its users, and catches up when it is back.
func TestStartWithoutBackend(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		user := s.user(teos.V2)
		b := s.prepared(user)
		s.settle()
		s.tower.Stop()
		s.node.Stop()
		s.tower.Start()
		guards := func() int { return harness.TowerLogged(s.tower, "INFO", "the tower guards") }
		before := guards()
		harness.Until(s, "the outage to be told", func() bool { return s.info().SourceError != "" })
		s.add(user, b.appointment)
		if n := guards(); n != before {
			s.Errorf("without a backend the log says that the tower guards")
		}
		s.node.Start()
		harness.Until(s, "the log to say that the tower guards", func() bool { return guards() == before+1 })
		s.cheat(b)
		s.answered(b)
	})
}
