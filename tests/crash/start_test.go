package crash

import (
	"os"
	"path/filepath"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// firstCalls are the system calls by which a first start changes the disk.
var firstCalls = []string{"mkdirat", "openat", "open", "write", "renameat", "pwrite64", "fsync", "ftruncate", "fallocate", "unlink"}

// TestKilledOnTheFirstStart kills a first start at the first calls of each
// kind. The next start makes a tower of what it finds.
func TestKilledOnTheFirstStart(t *testing.T) {
	t.Parallel()
	strace(t)
	node := harness.StartNode(t, harness.Btcd())
	node.MineTo(firstHeight)
	for _, call := range firstCalls {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= mostCalls() && killedOnFirstStart(t, node, call, n); n++ {
			}
		})
	}
}

func killedOnFirstStart(t *testing.T, node *harness.Node, call string, n int) (killed bool) {
	t.Helper()
	tower := harness.NewSolo(t, node, harness.PlainVigil(t), filepath.Join(harness.Dir(t), "data"), quiet())
	killed = walk(t, tower, call, n)
	tower.Kill()
	tower.Launch()
	ready(t, tower)
	l := newLedger(t, teos.V2, tower.HTTP())
	if err := l.register(t); err != nil {
		t.Fatalf("killed at %s %d: %v", call, n, err)
	}
	if err := l.add(t, small()); err != nil {
		t.Fatalf("killed at %s %d: %v", call, n, err)
	}
	tower.Kill()
	return killed
}

// mostCalls is how many calls of a kind a walk goes.
func mostCalls() int {
	if os.Getenv("VIGIL_KILLS") != "" {
		return 40
	}
	return 3
}
