package crash

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vigil/tests/harness"
)

// disk is a file system of its own, 16 MB in memory.
type disk struct {
	t    *testing.T
	path string
}

// newDisk mounts one; only root may.
func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{t: t, path: harness.Dir(t)}
	if out, err := d.run("mount", "-t", "tmpfs", "-o", "size=16m", "vigil-test", d.path); err != nil {
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
	r := newRig(t, d.data(), quiet())
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

// TestABreachIsAnsweredWhileTheDiskIsFull: what can't be recorded is published
// all the same, and recorded once there is room.
func TestABreachIsAnsweredWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	r := newRig(t, d.data(), quiet())
	dispute := r.node.Wallet.Dispute()
	penalty := r.node.Wallet.Penalty(dispute, harness.Fee)
	a := r.NewAppointment(dispute.TxHash(), penalty)
	r.must(r.add(t, a))
	r.entries[a.Locator].breach = &breach{dispute: dispute, penalty: penalty, mined: true}
	said := len(r.tower.Log())
	d.fill()
	r.refused()
	r.closed()

	r.node.MineBlock(dispute)
	txid := penalty.TxHash()
	harness.Until(t, "the penalty to enter the mempool", func() bool { return r.node.InMempool(txid) })

	d.makeRoom()
	r.open(said)
	harness.Until(t, "get_appointment to tell of the breach", func() bool {
		held, err := r.Get(t.Context(), a.Locator)
		return err == nil && held.Status == harness.DisputeResponded
	})
	r.must(r.audit(t, true))
}

// TestAStartOnAFullDisk either works or ends with a clear error; it leaves
// everything as it was.
func TestAStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	r := newRig(t, d.data(), quiet())
	for _, end := range []func(){r.tower.Kill, func() { r.tower.Stop() }} {
		end()
		said := len(r.tower.Log())
		d.fill()
		r.tower.Launch()
		if answersOrEnds(t, r.tower) {
			r.must(r.audit(t, true))
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
	r := newRig(t, d.data(), quiet())
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
