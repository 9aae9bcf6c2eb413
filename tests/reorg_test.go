package tests

import (
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// TestReorgOfTheDispute: the block with the dispute is replaced by two without
// it, and the node, which took both back into its mempool, loses that. Dispute
// and penalty go out again, and confirm in the new branch.
func TestReorgOfTheDispute(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		b := s.watched(s.user(teos.V2))
		fork := s.node.BlockHash(s.node.Height())
		s.cheat(b)
		s.answered(b)
		s.node.MineBlockOn(s.node.MineBlockOn(fork))
		s.settle()
		s.node.Stop()
		s.node.Start()
		s.node.MineBlock()
		s.inMempoolAgain(b)
		s.confirmed(b)
		if s.node.ConfirmedAt(b.dispute.TxHash(), 1) == 0 {
			s.Fatal("the dispute did not confirm again")
		}
		s.responded(b)
	})
}

// TestReorgOfThePenalty: the penalty's block is replaced; it must confirm again.
func TestReorgOfThePenalty(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		b := s.watched(s.user(teos.V1))
		s.cheat(b)
		fork := s.node.BlockHash(s.node.Height())
		s.answered(b)
		s.confirmed(b)
		if info := s.info(); info.Confirmed != 1 {
			s.Fatalf("the penalty confirmed: %+v", info)
		}
		s.node.MineBlockOn(s.node.MineBlockOn(fork))
		s.settle()
		if info := s.info(); info.Confirmed != 0 || info.Pending != 1 {
			s.Fatalf("the penalty was reorged out: %+v", info)
		}
		s.inMempoolAgain(b)
		s.confirmed(b)
		if info := s.info(); info.Confirmed != 1 {
			s.Fatalf("the penalty confirmed again: %+v", info)
		}
	})
}

// TestBreachInsideANewBranch: the dispute is not in the tip of the branch but
// below it.
func TestBreachInsideANewBranch(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		b := s.watched(s.user(teos.V2))
		s.mine(1)
		fork := s.node.BlockHash(s.node.Height() - 1)
		s.node.MineBlockOn(s.node.MineBlockOn(s.node.MineBlockOn(fork, b.dispute)))
		s.answered(b)
		s.confirmed(b)
	})
}

// TestReorgWhileDown: the branch that the tower had seen is gone when it is back.
func TestReorgWhileDown(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		b := s.watched(s.user(teos.V2))
		fork := s.node.BlockHash(s.node.Height())
		s.mine(2)
		s.tower.Kill()
		branch := s.node.MineBlockOn(s.node.MineBlockOn(fork, b.dispute))
		s.node.MineBlockOn(branch)
		s.tower.Start()
		s.answered(b)
		s.confirmed(b)
	})
}

func (s *scene) inMempoolAgain(b breach) {
	s.Helper()
	harness.Until(s, "the penalty to be in the mempool again", func() bool { return s.node.InMempool(b.penalty.TxHash()) })
}
