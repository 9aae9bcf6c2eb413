package tower_test

import (
	"reflect"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/towertest"
)

// TestAProbeLeavesNothing: neither at its end, nor when another takes its place, as
// after a crash.
func TestAProbeLeavesNothing(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.add(alice, appointment(alice, 1, 100))
	before, err := b.Info(t.Context())
	b.must(err)
	b.must(b.EndProbe(t.Context())) // there is none
	for n := range uint32(3) {
		probe := towertest.NewUser(byte(100+n), teos.V2)
		r, err := b.BeginProbe(t.Context(), probe.ID())
		b.must(err)
		b.signedBy(r.Signature, r.Message(teos.V2))
		dispute := chaintest.Dispute(50 + n)
		b.add(probe, probe.Appointment(dispute, chaintest.Penalty(dispute, 0)))
		found, err := b.Rehearse(t.Context(), towertest.Tx(dispute))
		if err != nil || len(found) != 1 || found[0].Err != nil {
			t.Fatalf("rehearsed: %+v, %v", found, err)
		}
	}
	b.must(b.EndProbe(t.Context()))
	after, err := b.Info(t.Context())
	if err != nil || before.Users != 1 || !reflect.DeepEqual(before.Stats, after.Stats) {
		t.Errorf("after the probes: %+v, %v, before: %+v", after.Stats, err, before.Stats)
	}
	for n := range uint32(3) {
		if found, err := b.Rehearse(t.Context(), towertest.Tx(chaintest.Dispute(50+n))); err != nil || len(found) != 0 {
			t.Errorf("left: %+v, %v", found, err)
		}
	}
}
