package tests

import (
	"strings"
	"testing"

	"vigil/internal/bitcoind"
	"vigil/tests/harness"
)

// Every node says what its mempool would make of a transaction.
func TestNodesJudgeTransactions(t *testing.T) {
	t.Parallel()
	onEachNode(t, func(t *testing.T, node *harness.Node, client *bitcoind.Client) {
		dispute := node.Wallet.Dispute()
		verdict, err := client.TestAccept(t.Context(), harness.TxBytes(dispute))
		if err != nil || verdict != "allowed" {
			t.Errorf("of a good transaction: %q, %v", verdict, err)
		}
		verdict, err = client.TestAccept(t.Context(), harness.TxBytes(node.Wallet.Penalty(dispute, harness.Fee)))
		if err != nil || !strings.Contains(verdict, "missing-inputs") && !strings.Contains(verdict, "orphan") {
			t.Errorf("of one whose inputs are not there: %q, %v", verdict, err)
		}
	})
}

// onEachNode runs a test on a node of each kind, with the product's client of it.
func onEachNode(t *testing.T, test func(*testing.T, *harness.Node, *bitcoind.Client)) {
	t.Helper()
	for _, backend := range harness.Backends() {
		t.Run(backend.Name, func(t *testing.T) {
			t.Parallel()
			node := harness.StartNode(t, backend)
			client, err := bitcoind.New(bitcoind.Config{URL: node.URL(), CookieFile: node.Cookie(), Network: "regtest"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			test(t, node, client)
		})
	}
}
