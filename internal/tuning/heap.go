// Package tuning sets what Go's runtime leaves to be set: for a tower, and for the bare
// tower that it is measured against.
package tuning

import (
	"os"
	"runtime/debug"
	"sync"
)

const (
	// heapFloor is how many bytes the garbage collector takes for in use at least.
	heapFloor = 36 << 20
	// heapGrowth is by how much of what is in use the heap grows, in percent, before
	// the collector begins.
	heapGrowth = 50
)

// HoldHeap lets the garbage collector run less often while little is in use, as in a
// tower at nearly all times: it begins when the heap has grown by half, and the floor
// counts. A larger percentage in its place would multiply what a large store takes, too,
// and a limit would let it run without end where more than that is in use. Whoever has
// set GOGC or GOMEMLIMIT has decided.
func HoldHeap() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		floor()
	}
}

// floor is made once, as the process starts: nobody touches its pages, so they take no
// memory. One that is made later, for a tower that starts again, would lie on pages that
// were in use, and be cleared.
var floor = sync.OnceValue(func() []byte {
	debug.SetGCPercent(heapGrowth)
	return make([]byte, heapFloor)
})
