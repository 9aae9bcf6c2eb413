package tuning

import (
	"os"
	"runtime"
)

// SpareProcessor lets one goroutine more run at once than there are cores, unless
// GOMAXPROCS says how many. While all of them compute, Go's scheduler looks at the
// network every 10 ms only, and a request waits for that several times over; one
// processor more is nearly always free to look, and the system shares out the cores.
// A quota of the CPU counts as it is at the start: Go does not follow it afterwards.
func SpareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.SetDefaultGOMAXPROCS() // it may be called again
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
