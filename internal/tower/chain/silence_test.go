package chain_test

import (
	"testing"
	"time"

	"vigil/internal/tower/chain/chaintest"
)

// TestASourceThatDoesNotAnswerIsToldOf: long before the call is given up.
func TestASourceThatDoesNotAnswerIsToldOf(t *testing.T) {
	for name, call := range map[string]chaintest.Call{"tip": chaintest.TipCall, "block": chaintest.BlockCall} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, func(r *rig) {
				r.start()
				r.chain.Stall(call, 1)
				r.chain.MineEmpty(1)
				r.settle()
				r.pass(19 * time.Second)
				if err := r.follower.Status().Err; err != nil {
					r.t.Errorf("a source that takes its time: %v", err)
				}
				r.pass(2 * time.Second)
				if r.follower.Status().Err == nil {
					r.t.Error("nothing tells that the source does not answer")
				}
				r.pass(2 * time.Minute)
				if err := r.follower.Status().Err; err != nil {
					r.t.Errorf("after it answered again: %v", err)
				}
				r.wantTip()
			})
		})
	}
}
