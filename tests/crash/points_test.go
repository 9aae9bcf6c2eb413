package crash

import (
	crand "crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// rig is a tower with one user, who has appointments already.
type rig struct {
	*testing.T
	node  *harness.Node
	tower *harness.Solo
	dir   string
	*ledger
}

// newRig starts a tower in a directory. The tower has seen the chain from its
// first block on when this returns: it fills nothing in, and so writes nothing but
// what it is asked to.
func newRig(t *testing.T, dir string, options harness.Options) *rig {
	t.Helper()
	node := harness.StartNode(t, harness.Btcd())
	r := &rig{T: t, node: node, dir: dir}
	r.tower = harness.NewSolo(t, node, harness.PlainVigil(t), dir, options)
	r.sees(1)
	r.tower.Kill()
	r.sees(firstHeight)
	ready(t, r.tower)
	r.ledger = newLedger(t, teos.V2, r.tower.HTTP())
	for range 20 {
		r.must(r.register(t))
	}
	for range 3 {
		r.must(r.add(t, small()))
	}
	return r
}

// sees starts the tower on a chain of this height.
func (r *rig) sees(height int) {
	r.Helper()
	r.node.MineTo(height)
	r.tower.Launch()
	harness.Until(r, "the tower to see the chain", func() bool {
		info, err := r.tower.Info(r.Context())
		return err == nil && info.Height == height
	})
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// restart starts the tower again where it has ended, and audits.
func (r *rig) restart() {
	r.Helper()
	r.tower.Launch()
	ready(r.T, r.tower)
	r.must(r.audit(r.T, false))
}

// small is an appointment of one slot and less than a page.
func small() teos.Appointment {
	return teos.Appointment{Locator: newLocator(), EncryptedBlob: make([]byte, 300), ToSelfDelay: 20}
}

// largeSize is the size of a large blob, in bytes, and largePages about what
// it fills: few requests are to fill a log.
const (
	largeSize  = 400_000
	largePages = 100
)

// large is a version of an appointment of 196 slots. Its blob is random: SQLite
// does not write a page that an update leaves as it was.
func large(l teos.Locator) teos.Appointment {
	blob := make([]byte, largeSize)
	_, _ = crand.Read(blob)
	return teos.Appointment{Locator: l, EncryptedBlob: blob, ToSelfDelay: 20}
}

// point is a moment in the life of an appointment.
type point struct {
	name string
	// file is whose calls count, of those in the data directory.
	file func(dir string) string
	rule string
	// before brings the tower to where the next request meets the point.
	before func(*rig)
	// stored says what is found after: the system keeps what was written
	// when a program dies, synced or not.
	stored bool
}

func points() []point {
	const kill = ":signal=SIGKILL:when="
	idle := func(*rig) {}
	return []point{
		{"before the first page is written to the log", walOf, "pwrite64" + kill + "1", idle, false},
		{"between a page's header and the page", walOf, "pwrite64" + kill + "2", idle, false},
		{"between two pages", walOf, "pwrite64" + kill + "5", idle, false},
		{"at the commit's sync", walOf, "fsync" + kill + "1", idle, true},
		{"before the first page of a checkpoint", storeOf, "pwrite64" + kill + "1", nearCheckpoint, true},
		{"in the middle of a checkpoint", storeOf, "pwrite64" + kill + "20", nearCheckpoint, true},
		{"at a checkpoint's sync", storeOf, "fsync" + kill + "1", nearCheckpoint, true},
		{"before the log begins anew", walOf, "pwrite64" + kill + "1", afterCheckpoint, false},
		{"at the sync of the new log's header", walOf, "fsync" + kill + "1", afterCheckpoint, false},
		{"in the new log", walOf, "pwrite64" + kill + "4", afterCheckpoint, false},
	}
}

// TestKilledAtNamedPoints: at each point the appointment that is under way is
// stored whole or not at all, and the others are untouched.
func TestKilledAtNamedPoints(t *testing.T) {
	t.Parallel()
	strace(t)
	r := newRig(t, filepath.Join(harness.Dir(t), "data"), quiet())
	for _, p := range points() {
		t.Run(p.name, func(t *testing.T) {
			r.T = t
			p.before(r)
			seen := r.seen
			attach(t, r.tower, p.file(r.dir), p.rule)
			err := r.addUntilKilled(t)
			if !cut(err) {
				t.Fatalf("got %v", err)
			}
			ended(t, r.tower)
			r.restart()
			if got := r.seen.openStored - seen.openStored; (got == 1) != p.stored {
				t.Errorf("%d appointments without an answer are stored", got)
			}
		})
	}
	r.T = t
	r.must(r.audit(t, true))
}

// addUntilKilled hands in appointments until one is not answered: a checkpoint
// may come with the next one.
func (r *rig) addUntilKilled(t *testing.T) error {
	t.Helper()
	for range 100 {
		if err := r.add(t, large(newLocator())); err != nil {
			return err
		}
	}
	return nil
}

// checkpointPages is how many pages SQLite lets the log have before it copies
// them into the store.
const checkpointPages = 1000

// nearCheckpoint fills the log until a checkpoint is few appointments away.
func nearCheckpoint(r *rig) {
	r.Helper()
	afterCheckpoint(r)
	l := newLocator()
	for range checkpointPages/largePages - 2 {
		r.must(r.add(r.T, large(l)))
	}
}

// afterCheckpoint fills the log until a checkpoint has happened.
func afterCheckpoint(r *rig) {
	r.Helper()
	written := func() time.Time {
		info, err := os.Stat(storeOf(r.dir))
		r.must(err)
		return info.ModTime()
	}
	l := newLocator()
	for before := written(); written().Equal(before); {
		r.must(r.add(r.T, large(l)))
	}
}

// TestKilledBetweenCommitAndAnswer: the sync is done, and held back so that
// nobody knows. What is stored is found, and costs nothing a second time.
func TestKilledBetweenCommitAndAnswer(t *testing.T) {
	strace(t)
	r := newRig(t, filepath.Join(harness.Dir(t), "data"), quiet())
	const held = 3 * time.Second // strace also keeps the dead for so long
	attach(t, r.tower, walOf(r.dir), fmt.Sprintf("fsync:delay_exit=%d", held.Microseconds()))
	answer := make(chan error, 1)
	go func() { answer <- r.add(t, small()) }()
	select {
	case err := <-answer:
		t.Fatalf("an answer before the sync has ended: %v", err)
	case <-time.After(held / 10):
	}
	r.tower.Kill()
	if err := <-answer; !cut(err) {
		t.Fatalf("got %v", err)
	}
	r.restart()
	if r.seen.openStored != 1 {
		t.Errorf("%d appointments without an answer are stored, want 1", r.seen.openStored)
	}
}
