package crash

import (
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/tower"
	"vigil/internal/tower/store"
	"vigil/tests/harness"
)

// hold takes the store's lock for writing in this process until it is
// released, as a backup program or a curious operator might.
func hold(t *testing.T, dir string) (release func()) {
	t.Helper()
	db, err := store.Open(t.Context(), storeOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- db.Update(t.Context(), func(tx tower.Tx) error {
			close(held)
			<-free
			return tx.SetIdentity("a", "b") // a transaction that writes
		})
	}()
	<-held
	return func() {
		close(free)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestALockedStore: somebody else holds the store. No receipt meanwhile; the
// tower goes on by itself after.
func TestALockedStore(t *testing.T) {
	t.Parallel()
	r := newRig(t, filepath.Join(harness.Dir(t), "data"), quiet())
	said := len(r.tower.Log())
	release := hold(t, r.dir)
	r.refused()
	r.closed()
	release()
	r.open(said)
	r.must(r.audit(t, true))
}

// TestAStoreThatIsLockedAtTheStart is waited for, or the start says so.
func TestAStoreThatIsLockedAtTheStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, filepath.Join(harness.Dir(t), "data"), quiet())
	r.tower.Kill()
	said := len(r.tower.Log())
	release := hold(t, r.dir)
	r.tower.Launch()
	if answersOrEnds(t, r.tower) {
		r.tower.Kill()
	} else if log := r.tower.Log()[said:]; !strings.Contains(log, "locked") {
		t.Errorf("the log does not say that the store is locked: %s", log)
	}
	release()
	r.restart()
	r.must(r.audit(t, true))
}

// TestTwoTowersOnOneDirectory: the second refuses, the first is not disturbed.
func TestTwoTowersOnOneDirectory(t *testing.T) {
	t.Parallel()
	r := newRig(t, filepath.Join(harness.Dir(t), "data"), quiet())
	second := harness.NewSolo(t, r.node, harness.PlainVigil(t), r.dir, quiet())
	second.Launch()
	ended(t, second)
	if !strings.Contains(second.Log(), "another vigil uses this data directory") {
		t.Errorf("the second says %s", second.Log())
	}
	r.must(r.add(t, small()))
	r.must(r.audit(t, true))
}
