package harness_test

import (
	"os"
	"testing"

	"vigil/tests/harness"
)

func TestRealLightningdLoadsAPlugin(t *testing.T) {
	t.Parallel()
	backend, err := harness.Bitcoind()
	if err != nil {
		t.Skip(err)
	}
	if err := harness.HasLightningd(); err != nil {
		t.Skip(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	node := harness.StartNode(t, backend)
	node.Mine(1)
	l := harness.StartRealLightningd(t, node, program, map[string]any{"fake-text": "some"})
	echo := func() {
		t.Helper()
		var got map[string]int
		if err := l.Call(t.Context(), "echo", map[string]int{"a": 1}, &got); err != nil || got["a"] != 1 {
			t.Fatalf("echo: %v, %v", got, err)
		}
	}
	echo()
	l.StopPlugin()
	l.StartPlugin()
	echo()
	l.KillPlugin()
	l.StartPlugin()
	echo()
	harness.Until(t, "the plugin's log line", func() bool { return harness.Logged(l, "fake is up") })
}
