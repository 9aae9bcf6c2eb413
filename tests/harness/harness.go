// Package harness gives tests and the demo what is real: a Bitcoin node on
// regtest, a wallet that builds valid transactions, the vigil binary loaded by
// a lightningd (or by a stand-in that speaks lightningd's side of the plugin
// protocol), and clients of both dialects that verify every receipt.
//
// Constructors take a T, register their own clean-up there and end the test on
// any failure, so that scenarios read as a story.
package harness

import (
	"context"
	"os"
	"time"
)

// Patience bounds every wait for something that should happen at once: it is
// long because the machine may be busy, and nothing passes by taking long.
const Patience = 60 * time.Second

// T is what the harness needs of a test; *testing.T is one, the demo another.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
	Context() context.Context
}

// Dir makes a directory that is removed after the test. Its path is short,
// because Unix sockets live in it and their paths end at 108 bytes.
func Dir(t T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vigil-")
	if err != nil {
		t.Fatalf("make a directory: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
	return dir
}

// Until polls until ok answers true; it ends the test when that takes longer
// than Patience. what says what was waited for.
func Until(t T, what string, ok func() bool) {
	t.Helper()
	if !Eventually(t.Context(), Patience, ok) {
		t.Fatalf("waited %v for %s", Patience, what)
	}
}

// Eventually polls until ok answers true, or for as long as patience or ctx
// last. It asks less and less often, for some answers cost a process.
func Eventually(ctx context.Context, patience time.Duration, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pause := 10 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
			pause = min(2*pause, 160*time.Millisecond)
			tick.Reset(pause)
		case <-ctx.Done():
			return false
		}
	}
	return true
}
