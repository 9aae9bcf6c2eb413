package harness

import (
	"os/exec"
	"sync"
	"testing"
)

// A door opens again at once, also while other tests start programs: a child has all
// that its parent had open until it is another program, the old listener as well.
func TestADoorOpensAgainWhileProgramsStart(t *testing.T) {
	done := make(chan struct{})
	var starting sync.WaitGroup
	for range 4 {
		starting.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_ = exec.CommandContext(t.Context(), "true").Run()
				}
			}
		})
	}
	d := &door{address: FreeAddress(t)}
	for i := range 300 {
		if err := d.open("127.0.0.1:1"); err != nil {
			t.Errorf("the %d. time: %v", i+1, err)
			break
		}
		d.shut()
	}
	close(done)
	starting.Wait()
}
