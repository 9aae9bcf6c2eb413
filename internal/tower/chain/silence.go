package chain

import (
	"fmt"
	"time"
)

// silence is how long the source may leave a question without an answer until the
// operator is told. It is longer than any answer takes, and shorter than the time
// after which a call is given up: bcli keeps a caller waiting for a minute where
// bitcoind goes away in the middle of a block.
const silence = 20 * time.Second

// asking notes that the source is asked, until the returned function is called.
func (f *Follower) asking() (answered func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked == 0 {
		f.heard = time.Now()
	}
	f.asked++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked--
		f.heard = time.Now()
	}
}

// silent returns an error where questions are open and none was answered for too
// long. The caller holds f.mu.
func (f *Follower) silent() error {
	quiet := time.Since(f.heard)
	if f.asked == 0 || quiet < silence {
		return nil
	}
	return fmt.Errorf("the chain source has not answered for %v: is it running?", quiet.Round(time.Second))
}
