package main

import (
	"runtime"
	"runtime/debug"
)

const (
	// heapFloor is how many bytes the garbage collector takes for in use at least.
	heapFloor = 36 << 20
	// heapGrowth is by how much of what is in use the heap grows, in percent, before
	// the collector begins.
	heapGrowth = 50
)

// holdHeap lets the garbage collector run less often while little is in use, as in a
// tower at nearly all times: it begins when the heap has grown by half, and the floor
// counts. Nobody touches its pages, so they take no memory. A larger percentage in its
// place would multiply what a large store takes, too, and a limit would let it run
// without end where more than that is in use.
func holdHeap() (release func()) {
	before := debug.SetGCPercent(heapGrowth)
	floor := make([]byte, heapFloor)
	return func() {
		runtime.KeepAlive(&floor[0])
		debug.SetGCPercent(before)
	}
}
