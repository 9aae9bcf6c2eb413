package main

import (
	"runtime"
	"testing"
)

func TestOneProcessorIsSpare(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "1")
	spareProcessor()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d processors instead of the %d that the environment says", got, before)
	}
	t.Setenv("GOMAXPROCS", "")
	spareProcessor()
	if got := runtime.GOMAXPROCS(0); got != before+1 {
		t.Errorf("%d processors instead of %d", got, before+1)
	}
}
