package main

import "runtime"

// heapFloor is how many bytes the garbage collector takes for in use at least.
const heapFloor = 16 << 20

// holdHeap lets the garbage collector run less often while little is in use, as in
// a tower at nearly all times: it begins when the heap has doubled, and the floor
// counts. Nobody touches its pages, so they take no memory. A collector's percentage
// in its place would multiply what a large store takes, too, and a limit would let
// it run without end where more than that is in use.
func holdHeap() (release func()) {
	floor := make([]byte, heapFloor)
	return func() { runtime.KeepAlive(&floor[0]) }
}
