package harness_test

import (
	"errors"
	"testing"

	"vigil/tests/harness"
)

// onEachBackend runs a test on btcd, and on bitcoind where there is one.
func onEachBackend(t *testing.T, test func(*testing.T, *harness.Node)) {
	for _, backend := range harness.Backends() {
		t.Run(backend.Name, func(t *testing.T) {
			t.Parallel()
			test(t, harness.StartNode(t, backend))
		})
	}
}

func TestDisputeAndPenaltyConfirm(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, node *harness.Node) {
		dispute := node.Wallet.Dispute()
		penalty := node.Wallet.Penalty(dispute, harness.Fee)

		var refused *harness.RPCError
		if err := node.Send(penalty); err == nil && node.InMempool(penalty.TxHash()) {
			t.Fatal("the node took a penalty before its dispute")
		} else if err != nil && !errors.As(err, &refused) {
			t.Fatalf("a penalty without its dispute: %v", err)
		}

		node.MustSend(dispute)
		height := node.Height() + 1
		node.Mine(1)
		if got := node.ConfirmedAt(dispute.TxHash(), 1); got != height {
			t.Fatalf("dispute confirmed at %d, want %d", got, height)
		}
		node.MustSend(penalty)
		if !node.InMempool(penalty.TxHash()) {
			t.Fatal("the penalty is not in the mempool")
		}
		node.Mine(1)
		if got := node.ConfirmedAt(penalty.TxHash(), 1); got != height+1 {
			t.Fatalf("penalty confirmed at %d, want %d", got, height+1)
		}
		if err := node.Send(node.Wallet.Rival(dispute)); !errors.As(err, &refused) {
			t.Fatalf("a rival of a confirmed penalty: %v, want the node's refusal", err)
		}
	})
}

func TestRestartKeepsChain(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, node *harness.Node) {
		node.Mine(5)
		tip := node.BlockHash(5)
		node.Stop()
		node.Start()
		if got := node.BlockHash(node.Height()); got != tip {
			t.Fatalf("tip after a restart %v, want %v", got, tip)
		}
	})
}

func TestInvalidateAndReconsider(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, node *harness.Node) {
		hashes := node.Mine(10)
		node.Invalidate(hashes[8])
		if got := node.Height(); got != 8 {
			t.Fatalf("height %d after an invalidation, want 8", got)
		}
		node.Reconsider(hashes[8])
		if got := node.BlockHash(node.Height()); got != hashes[9] {
			t.Fatalf("tip %v after a reconsideration, want %v", got, hashes[9])
		}
	})
}

func TestMineBlockHoldsExactlyItsTransactions(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, node *harness.Node) {
		dispute := node.Wallet.Dispute()
		penalty, rival := node.Wallet.Penalty(dispute, harness.Fee), node.Wallet.Rival(dispute)
		node.MustSend(dispute)
		node.MustSend(penalty)
		fork := node.MineBlock(dispute)
		if got := node.BlockHash(node.Height()); got != fork {
			t.Fatalf("tip %v, want the block mined: %v", got, fork)
		}
		if node.ConfirmedAt(penalty.TxHash(), 1) != 0 || !node.InMempool(penalty.TxHash()) {
			t.Fatal("a block without the penalty confirmed it, or dropped it from the mempool")
		}
		node.MineBlock(rival)
		if node.InMempool(penalty.TxHash()) {
			t.Fatal("a penalty outlived its rival's confirmation")
		}

		branch := node.MineBlockOn(fork)
		branch = node.MineBlockOn(branch, penalty)
		if got := node.BlockHash(node.Height()); got != branch {
			t.Fatalf("tip %v, want the longer branch's %v", got, branch)
		}
	})
}

func TestLargePenaltyIsRelayed(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, node *harness.Node) {
		dispute := node.Wallet.Dispute()
		penalty := node.Wallet.LargePenalty(dispute, 70)
		if size := len(harness.TxBytes(penalty)); size <= 2048 {
			t.Fatalf("a large penalty of %d bytes takes one slot only", size)
		}
		node.MustSend(dispute)
		node.MustSend(penalty)
	})
}
