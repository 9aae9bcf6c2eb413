package tuning

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// inUse is what the collector counts after it has run.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A tower that starts again in the same process must not hold a second floor: it would
// lie on pages that were in use, and take memory.
func TestTheFloorIsHeldOnce(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	HoldHeap()
	first, before := &floor()[0], inUse()
	if before < heapFloor {
		t.Errorf("%d bytes are in use, and the floor is not among them", before)
	}
	HoldHeap()
	if grown := max(inUse(), before) - before; &floor()[0] != first || grown > heapFloor/2 {
		t.Errorf("there is another floor: the heap has grown by %d bytes", grown)
	}
}

func TestWhoSetsTheCollectorHasDecided(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Run(name, func(t *testing.T) {
			before := debug.SetGCPercent(123)
			defer debug.SetGCPercent(before)
			t.Setenv(name, "1GiB")
			HoldHeap()
			if now := debug.SetGCPercent(before); now != 123 {
				t.Errorf("the percentage is %d", now)
			}
		})
	}
}
