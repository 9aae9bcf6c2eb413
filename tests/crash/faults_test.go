package crash

import (
	"path/filepath"
	"testing"

	"vigil/tests/harness"
)

// fault is a disk that fails under a running tower.
type fault struct {
	name  string
	file  func(dir string) string
	rules []string
}

func faults() []fault {
	return []fault{
		{"a sync fails", walOf, []string{"fsync:error=EIO"}},
		{"a write fails", walOf, []string{"pwrite64:error=EIO"}},
		{"the disk is full", walOf, []string{"pwrite64:error=ENOSPC"}},
		{"the disk went read-only", walOf, []string{"pwrite64:error=EROFS"}},
		// What Linux does when a page can't be written back: the sync fails
		// once, and the page counts as written. It never is.
		{"a sync fails and what was written is lost", walOf, []string{"pwrite64:retval=4096", "fsync:error=EIO"}},
	}
}

// TestADiskThatFails: while it fails there is no receipt, and the API closes:
// clients keep what they have. It opens by itself once the disk is back.
// Nothing stands on a page that was lost.
func TestADiskThatFails(t *testing.T) {
	t.Parallel()
	strace(t)
	r := newRig(t, filepath.Join(harness.Dir(t), "data"), quiet())
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			r.T = t
			said := len(r.tower.Log())
			tracer := attach(t, r.tower, f.file(r.dir), f.rules...)
			r.refused()
			r.closed()
			tracer.detach()
			r.open(said)
			r.must(r.audit(t, true))
			r.must(r.add(t, small()))
			r.tower.Kill()
			r.restart()
			r.must(r.audit(t, true))
		})
	}
}

// refused hands in appointments until the tower says that it can't store one:
// it may still have room that it took before.
func (r *rig) refused() {
	r.Helper()
	for range 200 {
		err := r.add(r.T, large(newLocator()))
		if err == nil {
			continue
		}
		if harness.Code(err) != 7 && !cut(err) {
			r.Fatalf("got %v, want what makes a client keep its appointment", err)
		}
		return
	}
	r.Fatal("200 receipts while the disk fails")
}

// closed waits until nobody is let in.
func (r *rig) closed() {
	r.Helper()
	harness.Until(r, "the API to close", func() bool {
		_, err := r.Info(r.Context())
		return cut(err)
	})
}

// open waits until the tower serves again, by itself, and has told of both.
func (r *rig) open(said int) {
	r.Helper()
	ready(r.T, r.tower)
	r.logged(said, "the store fails: the API closes")
	r.logged(said, "the store works again")
}

// TestACheckpointThatFails: commits are in the log, which grows. What has a
// receipt is found after a kill, and copied once the disk is back.
func TestACheckpointThatFails(t *testing.T) {
	t.Parallel()
	strace(t)
	r := newRig(t, filepath.Join(harness.Dir(t), "data"), quiet())
	for _, rule := range []string{"pwrite64:error=EIO", "fsync:error=EIO", "pwrite64:retval=4096"} {
		t.Run(rule, func(t *testing.T) {
			r.T = t
			rules := []string{rule}
			if rule == "pwrite64:retval=4096" { // lost, and told by the sync
				rules = append(rules, "fsync:error=EIO")
			}
			tracer := attach(t, r.tower, storeOf(r.dir), rules...)
			l := newLocator()
			for range 2 * checkpointPages / largePages {
				r.must(r.add(t, large(l)))
			}
			r.must(r.add(t, small()))
			tracer.detach()
			r.tower.Kill()
			r.restart()
			nearCheckpoint(r)
			r.must(r.audit(t, true))
		})
	}
}
