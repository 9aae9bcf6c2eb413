package towerrpc

import (
	"sync"
	"testing"
)

// However many jobs there are, none waits for another; those that come later need
// no new goroutine, and stop waits for all.
func TestWorkersRunJobsAtOnce(t *testing.T) {
	w := newWorkers()
	for range 3 {
		const n = 2 * maxIdle
		var all, ended sync.WaitGroup
		all.Add(n)
		ended.Add(n)
		for range n {
			w.run(func() {
				defer ended.Done()
				all.Done()
				all.Wait()
			})
		}
		ended.Wait()
	}
	if idle := len(w.idle); idle > maxIdle {
		t.Errorf("%d workers stay, %d may", idle, maxIdle)
	}
	w.stop()
}
