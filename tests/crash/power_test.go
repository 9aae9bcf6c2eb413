package crash

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/store"
	"vigil/tests/harness"
)

const (
	defaultCuts = 25
	sector      = 512 // bytes that a disk writes whole
)

// TestPowerCut records what the tower writes and syncs, and when its answers
// leave. Then the power fails at random moments: of what was not synced any
// part may be on the disk, or none. Every receipt that had left is kept.
//
// A program that is killed does not show this: the system keeps what it wrote.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	strace(t)
	r := newRig(t, filepath.Join(harness.Dir(t), "data"), quiet())
	r.fillLog(checkpointPages * 8 / 10)
	before := files{}
	for _, path := range []string{storeOf(r.dir), walOf(r.dir)} {
		content, err := os.ReadFile(path)
		r.must(err)
		before[filepath.Base(path)] = content
	}
	known := r.held()
	sent := make([]teos.Appointment, 0, 24)
	calls := record(t, r.tower, func() {
		for i := range cap(sent) {
			a := small()
			switch i % 8 {
			case 1:
				a = large(newLocator())
			case 5:
				a.Locator = sent[i-2].Locator
				a.EncryptedBlob = make([]byte, 5000)
			}
			sent = append(sent, a)
			r.must(r.add(t, a))
		}
	})
	r.tower.Kill()
	if _, answered := cutAt(before, calls); answered != len(sent) {
		t.Fatalf("%d answers were recorded of %d", answered, len(sent))
	}
	checkpointed := false
	for range cuts() {
		n := rand.IntN(len(calls))
		after, answered := cutAt(before, calls[:n])
		checkpointed = checkpointed || !bytes.Equal(after["tower.sqlite"], before["tower.sqlite"])
		if err := r.survived(t, after, known, sent, answered); err != nil {
			t.Errorf("power cut after call %d of %d, %d answers: %v", n, len(calls), answered, err)
		}
	}
	if !checkpointed {
		t.Error("no checkpoint was met")
	}
}

// cuts is how often the power fails: more often where the tower is killed more
// often, too.
func cuts() int {
	if os.Getenv("VIGIL_KILLS") != "" {
		return 1000
	}
	return defaultCuts
}

// fillLog fills the first log of a tower with so many pages.
func (r *rig) fillLog(pages int64) {
	r.Helper()
	const page = 4096 + 24
	l := newLocator()
	for {
		info, err := os.Stat(walOf(r.dir))
		r.must(err)
		if info.Size() >= pages*page {
			return
		}
		r.must(r.add(r.T, large(l)))
	}
}

// held is what the user has a receipt for.
func (r *rig) held() map[teos.Locator]teos.Appointment {
	m := make(map[teos.Locator]teos.Appointment, len(r.entries))
	for l, e := range r.entries {
		m[l] = e.kept
	}
	return m
}

// files are the contents of files by name.
type files map[string][]byte

// call is one system call of the tower that matters.
type call struct {
	name   string // pwrite64, fsync, ftruncate; or answer
	file   string
	data   []byte
	offset int
}

// cutAt is what is on the disk when the power fails after some calls, and how
// many receipts had left. What no sync has confirmed is there by chance, in
// sectors.
func cutAt(before files, calls []call) (after files, answered int) {
	after = files{}
	unsynced := map[string][]call{}
	for name, content := range before {
		after[name] = bytes.Clone(content)
	}
	for _, c := range calls {
		switch c.name {
		case "answer":
			answered++
		case "fsync":
			for _, w := range unsynced[c.file] {
				after.write(w)
			}
			unsynced[c.file] = nil
		default:
			unsynced[c.file] = append(unsynced[c.file], c)
		}
	}
	luck := rand.IntN(3) // none of it, some of it, all of it
	for _, list := range unsynced {
		for _, w := range list {
			after.writeSome(w, luck)
		}
	}
	return after, answered
}

func (f files) write(c call) {
	if c.name == "ftruncate" {
		f[c.file] = append(f[c.file], make([]byte, max(0, c.offset-len(f[c.file])))...)[:c.offset]
		return
	}
	if missing := c.offset + len(c.data) - len(f[c.file]); missing > 0 {
		f[c.file] = append(f[c.file], make([]byte, missing)...)
	}
	copy(f[c.file][c.offset:], c.data)
}

func (f files) writeSome(c call, luck int) {
	for len(c.data) > 0 {
		n := min(len(c.data), sector-c.offset%sector)
		if luck == 2 || luck == 1 && rand.IntN(2) == 0 {
			f.write(call{name: c.name, file: c.file, data: c.data[:n], offset: c.offset})
		}
		c.data, c.offset = c.data[n:], c.offset+n
	}
}

// survived opens the store as the next start would, and looks for everything.
func (r *rig) survived(t *testing.T, disk files, known map[teos.Locator]teos.Appointment, sent []teos.Appointment, answered int) error {
	t.Helper()
	dir := t.TempDir()
	for name, content := range disk {
		r.must(os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	db, err := store.Open(t.Context(), storeOf(dir))
	if err != nil {
		return err
	}
	err = db.View(t.Context(), func(tx tower.Tx) error {
		// The request after the last answer may be stored already.
		err := r.consistent(tx, known, sent[:answered])
		if err != nil && answered < len(sent) {
			err2 := r.consistent(tx, known, sent[:answered+1])
			if err2 == nil {
				return nil
			}
			err = errors.Join(err, err2)
		}
		return err
	})
	return errors.Join(err, db.Close(), os.RemoveAll(dir))
}

// consistent demands exactly these appointments, the last version of each, and
// the slots that go with them.
func (r *rig) consistent(tx tower.Tx, known map[teos.Locator]teos.Appointment, sent []teos.Appointment) error {
	want := make(map[teos.Locator]teos.Appointment, len(known)+len(sent))
	for l, a := range known {
		want[l] = a
	}
	for _, a := range sent {
		want[a.Locator] = a
	}
	u, err := tx.User(r.ID)
	if err != nil {
		return err
	}
	filled := uint32(0)
	for l, a := range want {
		got, err := tx.Appointment(u.Row, l)
		if err != nil || !same(got.Appointment, a) {
			return errors.Join(errors.New("an appointment is lost: "+l.String()), err)
		}
		filled += teos.Slots(len(a.EncryptedBlob))
	}
	list, _, err := tx.Locators(u.Row, 0, 1_000_000)
	if err != nil {
		return err
	}
	if len(list) != len(want) || u.Slots+filled != r.granted*perRegistration {
		return errors.New(strconv.Itoa(len(list)) + " appointments of " + strconv.Itoa(len(want)) + ", or slots are wrong")
	}
	return nil
}

// record runs f under a strace that notes what the tower writes.
func record(t *testing.T, tower *harness.Solo, f func()) []call {
	t.Helper()
	log := filepath.Join(harness.Dir(t), "calls")
	tr := &tracer{t: t, done: make(chan struct{}), cmd: exec.Command(strace(t), "-f", "-y", "-xx", "-s", "5000",
		"-e", "trace=pwrite64,fsync,ftruncate,write", "-o", log, "-p", strconv.Itoa(tower.Pid()))}
	tr.start()
	f()
	tr.detach()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return parseCalls(t, string(text))
}
