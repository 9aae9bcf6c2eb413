package crash

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// reserve is what towers keep free on a disk, in MB.
const reserve = 4

// disk is a file system of its own, 24 MB in memory.
type disk struct {
	t    *testing.T
	path string
}

// newDisk mounts one; only root may.
func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{t: t, path: harness.Dir(t)}
	if out, err := d.run("mount", "-t", "tmpfs", "-o", "size=24m", "vigil-test", d.path); err != nil {
		t.Skipf("NOT RUN here: can't mount a tmpfs: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := d.run("umount", "--lazy", d.path); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return d
}

func (d *disk) run(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}

// remount makes the disk "ro" or "rw". Nobody may have a file open to write.
func (d *disk) remount(mode string) {
	d.t.Helper()
	if out, err := d.run("mount", "-o", "remount,"+mode, d.path); err != nil {
		d.t.Fatalf("remount: %v: %s", err, out)
	}
}

// data is where a tower keeps its data.
func (d *disk) data() string { return filepath.Join(d.path, "data") }

// fill takes all the room there is.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatal(err)
	}
}

// makeRoom undoes fill.
func (d *disk) makeRoom() {
	d.t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) filler() string { return filepath.Join(d.path, "filler") }

// TestAFullDisk: the tower says so, closes, and serves again once there is
// room. Nothing that it gave a receipt for is missing, also if it dies while
// the disk is full.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	r := newRig(t, d.data(), reserving(reserve))
	said := len(r.tower.Log())
	d.fill()
	r.refused()
	r.closed()
	r.logged(said, "full")
	d.makeRoom()
	r.open(said)
	r.must(r.audit(t, true))

	d.fill()
	r.refused()
	r.tower.Kill()
	d.makeRoom()
	r.restart()
	r.must(r.audit(t, true))
}

// TestABreachIsAnsweredWhileTheDiskIsFull: it is recorded in the reserve. What
// can't be recorded, because there is none, is published all the same. Nothing
// waits for room.
func TestABreachIsAnsweredWhileTheDiskIsFull(t *testing.T) {
	for name, c := range map[string]struct {
		reserve int
		says    string
	}{
		"with a reserve": {reserve, "the reserve is used"},
		"without":        {0, "its penalty is published all the same"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t)
			r := newRig(t, d.data(), reserving(c.reserve))
			b, l := r.watched()
			said := len(r.tower.Log())
			d.fill()
			r.refused()
			r.closed()

			r.node.MineBlock(b.dispute)
			r.published(b)
			harness.Until(t, "the log to tell", func() bool { return strings.Contains(r.tower.Log()[said:], c.says) })

			d.makeRoom()
			r.open(said)
			r.told(l)
			r.must(r.audit(t, true))
		})
	}
}

// TestKilledOnAFullDisk: the breach that was met on a full disk is not
// forgotten with the tower that met it.
func TestKilledOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	r := newRig(t, d.data(), reserving(reserve))
	b, l := r.watched()
	d.fill()
	r.refused()
	r.node.MineBlock(b.dispute)
	r.published(b)
	r.tower.Kill()
	d.makeRoom()
	r.restart()
	r.told(l)
	r.must(r.audit(t, true))
}

// watched hands in the appointment for a breach that is about to happen.
func (r *rig) watched() (*breach, teos.Locator) {
	r.Helper()
	dispute := r.node.Wallet.Dispute()
	b := &breach{dispute: dispute, penalty: r.node.Wallet.Penalty(dispute, harness.Fee), mined: true}
	a := r.NewAppointment(dispute.TxHash(), b.penalty)
	r.must(r.add(r.T, a))
	r.entries[a.Locator].breach = b
	return b, a.Locator
}

// published waits for the penalty.
func (r *rig) published(b *breach) {
	r.Helper()
	txid := b.penalty.TxHash()
	harness.Until(r, "the penalty to enter the mempool", func() bool { return r.node.InMempool(txid) })
}

// told waits until the tower tells of the breach.
func (r *rig) told(l teos.Locator) {
	r.Helper()
	harness.Until(r, "get_appointment to tell of the breach", func() bool {
		held, err := r.Get(r.Context(), l)
		return err == nil && held.Status == harness.DisputeResponded
	})
}

// TestAStartOnAFullDisk either works or ends with a clear error; it leaves
// everything as it was.
func TestAStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	r := newRig(t, d.data(), reserving(reserve))
	for _, end := range []func(){r.tower.Kill, func() { r.tower.Stop() }} {
		end()
		said := len(r.tower.Log())
		d.fill()
		r.tower.Launch()
		if answersOrEnds(t, r.tower) {
			r.must(r.sums(t))
			r.tower.Kill()
		} else {
			r.logged(said, "the store failed")
		}
		d.makeRoom()
		r.restart()
		r.must(r.audit(t, true))
	}
}

// logged demands a text in the log after its first said bytes.
func (r *rig) logged(said int, text string) {
	r.Helper()
	if log := r.tower.Log()[said:]; !strings.Contains(log, text) {
		r.Errorf("the log does not say %q: %s", text, log)
	}
}

// answersOrEnds waits for either and tells whether the tower answers.
func answersOrEnds(t *testing.T, tower *harness.Solo) bool {
	t.Helper()
	answers := false
	poll(t, harness.Patience, func() bool {
		answers = tower.HTTP().Ping(t.Context())
		return answers || !tower.Running()
	})
	return answers
}

// TestAReadOnlyDisk: a start says what is wrong and changes nothing.
func TestAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	r := newRig(t, d.data(), reserving(reserve))
	for _, end := range []func(){r.tower.Kill, func() { r.tower.Stop() }} {
		end()
		d.remount("ro")
		said := len(r.tower.Log())
		r.tower.Launch()
		if answersOrEnds(t, r.tower) {
			t.Fatal("the tower serves on a read-only disk")
		}
		r.logged(said, "read-only")
		d.remount("rw")
		r.restart()
		r.must(r.audit(t, true))
	}
}
