// Package crash holds the built tower to its receipts: it is killed at random
// and at named moments, its disk fills, fails, goes read-only, is damaged or
// cut off. A user never finds less than what it holds a receipt for.
package crash

import (
	"testing"
	"time"

	"vigil/tests/harness"
)

const (
	// firstHeight is the chain's height when a tower starts.
	firstHeight = 110
	// perRegistration is how many slots a registration adds.
	perRegistration = 3000
)

// terms are the tower's where a test does not say otherwise.
func terms() harness.Options {
	return harness.Options{"subscription-slots": perRegistration, "subscription-duration": 100_000, "max-subscription": 0}
}

// quiet are terms under which the tower writes nothing that nobody asked for.
func quiet() harness.Options {
	o := terms()
	o["recent-blocks"] = 0
	o["max-blob-size"] = 1 << 20
	return o
}

// reserving are quiet terms with so many MB of disk kept free.
func reserving(megabytes int) harness.Options {
	o := quiet()
	o["disk-reserve"] = megabytes
	return o
}

// ready waits until the tower answers; a tower that ends instead fails the test.
func ready(t *testing.T, tower *harness.Solo) {
	t.Helper()
	if !poll(t, harness.Patience, func() bool { return tower.HTTP().Ping(t.Context()) || !tower.Running() }) {
		t.Fatal("the tower does not answer")
	}
	if !tower.Running() {
		t.Fatal("the tower ended by itself")
	}
}

// poll asks often: a restart takes a few hundredths of a second.
func poll(t *testing.T, patience time.Duration, ok func() bool) bool {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			return false
		case <-t.Context().Done():
			return false
		}
	}
	return true
}

// pause lets time pass in which the tower may do what it likes.
func pause(d time.Duration) { <-time.After(d) }
