package tuning

import (
	"runtime"
	"testing"
)

func TestOneProcessorIsSpare(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "1")
	SpareProcessor()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d processors instead of the %d that were set", got, before)
	}
	t.Setenv("GOMAXPROCS", "")
	for range 2 { // the tower may start again
		SpareProcessor()
		if got, cores := runtime.GOMAXPROCS(0), runtime.NumCPU(); got < 2 || got > cores+1 {
			t.Errorf("%d processors on %d cores", got, cores)
		}
	}
}
