// Package matrix holds the built tower against everything that a chain and a
// backend can do to it, on real nodes: reorgs, causes that keep a penalty from
// the mempool, downtime, pruning, foreign chains, blocks that break parsers.
//
// A test says what happens; what must come of it is read from the winning
// chain (verdict_test.go). VIGIL_MATRIX=full plays all that there is.
package matrix

import (
	"flag"
	"os"
	"strings"
	"testing"

	"vigil/tests/harness"
)

// atOnce is how many scenes play at a time where -parallel is not given: they
// wait for blocks and processes more than they compute.
const atOnce = "10"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// full tells whether the long set was asked for.
func full() bool { return os.Getenv("VIGIL_MATRIX") == "full" }

// onEachNode plays a test on the standalone tower over each kind of node, and
// skips what this machine lacks. Where bitcoind is there, btcd plays the reorgs
// alone unless everything was asked for: it is CI's time that it takes.
func onEachNode(t *testing.T, play func(*testing.T, harness.Variant)) {
	t.Helper()
	t.Parallel()
	onEach(t, "standalone/", play)
}

// onBitcoind is onEachNode for what no other node can be made to show.
func onBitcoind(t *testing.T, play func(*testing.T, harness.Variant)) {
	t.Helper()
	t.Parallel()
	onEach(t, "standalone/bitcoind", play)
}

// onEach plays on the variants whose name begins so.
func onEach(t *testing.T, prefix string, play func(*testing.T, harness.Variant)) {
	t.Helper()
	for _, variant := range harness.Variants() {
		if !strings.HasPrefix(variant.Name, prefix) {
			continue
		}
		t.Run(variant.Name, func(t *testing.T) {
			if variant.Missing != nil {
				t.Skipf("NOT RUN here: %v", variant.Missing)
			}
			if played(t, variant) {
				t.Skip("NOT RUN here: bitcoind plays it; VIGIL_MATRIX=full has both")
			}
			t.Parallel()
			play(t, variant)
		})
	}
}

// played tells whether another kind of node plays a test in the short set.
func played(t *testing.T, variant harness.Variant) bool {
	t.Helper()
	_, noBitcoind := harness.Bitcoind()
	return !full() && noBitcoind == nil && strings.HasSuffix(variant.Name, "btcd") && !strings.HasPrefix(t.Name(), "TestReorgs/")
}
