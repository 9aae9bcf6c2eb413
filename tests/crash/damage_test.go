package crash

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// newDamaged returns a rig whose tower has stopped in good order: all is in
// the store's one file, which is returned.
func newDamaged(t *testing.T) (r *rig, whole []byte) {
	t.Helper()
	r = newRig(t, filepath.Join(harness.Dir(t), "data"), quiet())
	for range 100 {
		r.must(r.add(t, small()))
	}
	r.tower.Stop()
	whole, err := os.ReadFile(storeOf(r.dir))
	r.must(err)
	return r, whole
}

func (r *rig) writeStore(content []byte) {
	r.Helper()
	r.must(os.WriteFile(storeOf(r.dir), content, 0o600))
}

// repaired puts the file back and wants everything to be there.
func (r *rig) repaired(whole []byte) {
	r.Helper()
	r.tower.Kill()
	for _, path := range []string{walOf(r.dir), storeOf(r.dir) + "-shm"} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			r.Fatal(err)
		}
	}
	r.writeStore(whole)
	r.restart()
	r.must(r.audit(r.T, true))
}

// TestAStoreThatIsNone: the start ends, says why, and leaves the file alone:
// somebody may still save it.
func TestAStoreThatIsNone(t *testing.T) {
	r, whole := newDamaged(t)
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{
		"zeroed":             {make([]byte, len(whole)), "not a database"},
		"zeroed at its head": {append(make([]byte, 4096), whole[4096:]...), "not a database"},
		"cut in the middle":  {whole[:len(whole)/2/4096*4096], "malformed"},
		"cut inside a page":  {whole[:len(whole)/2+7], "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			r.T = t
			r.writeStore(c.content)
			said := len(r.tower.Log())
			r.tower.Launch()
			if answersOrEnds(t, r.tower) {
				t.Error("the tower serves")
			}
			r.logged(said, c.says)
			if after, err := os.ReadFile(storeOf(r.dir)); err != nil || !bytes.Equal(after, c.content) {
				t.Errorf("the file was changed: %v", err)
			}
			r.repaired(whole)
			r.tower.Stop()
		})
	}
}

// TestAnEmptyStoreIsNotBegunAnew: a file system that lost the file's content
// must not make the tower forget its promises without a word.
func TestAnEmptyStoreIsNotBegunAnew(t *testing.T) {
	r, whole := newDamaged(t)
	r.writeStore(nil)
	r.tower.Launch()
	if answersOrEnds(t, r.tower) {
		t.Error("the tower serves, and has forgotten everything")
	}
	r.repaired(whole)
}

// indexPage is where the index of locators has its page for a locator: one of
// type 10, a leaf of an index (SQLite's file format, 1.6).
func (r *rig) indexPage(whole []byte, l teos.Locator) int {
	r.Helper()
	for at := 0; at < len(whole); at += 4096 {
		if page := whole[at : at+4096]; page[0] == 10 && bytes.Contains(page, l[:]) {
			return at
		}
	}
	r.Fatalf("no page of an index has %v", l)
	return 0
}

// damaged starts a tower one of whose pages, which a locator is found by, is
// garbage.
func newDamagedPage(t *testing.T) (r *rig, whole []byte, victim teos.Locator) {
	t.Helper()
	r, whole = newDamaged(t)
	for l := range r.entries {
		victim = l
		break
	}
	broken := bytes.Clone(whole)
	at := r.indexPage(whole, victim)
	copy(broken[at:at+4096], bytes.Repeat([]byte{0xff}, 4096))
	r.writeStore(broken)
	r.tower.Launch()
	ready(t, r.tower)
	return r, whole, victim
}

// TestADamagedPage: what it holds is refused and not called missing, nothing is
// promised on it, and with the file put back all is there.
func TestADamagedPage(t *testing.T) {
	r, whole, victim := newDamagedPage(t)
	said := len(r.tower.Log())
	_, err := r.Get(t.Context(), victim)
	if err == nil || notThere(err) {
		t.Errorf("get_appointment: %v", err)
	}
	if err := r.add(t, r.entries[victim].kept); err == nil {
		t.Error("a receipt on a page that can't be read")
	}
	r.logged(said, "malformed")
	r.repaired(whole)
}

// TestADamagedPageClosesTheAPI: a tower that can't follow the chain over it
// promises nothing more to anybody.
func TestADamagedPageClosesTheAPI(t *testing.T) {
	r, _, victim := newDamagedPage(t)
	_ = r.add(t, r.entries[victim].kept)
	r.closed()
}

// isIndexPage tells whether a page of the index of locators has any of ours.
func (r *rig) isIndexPage(page []byte) bool {
	for l := range r.entries {
		if page[0] == 10 && bytes.Contains(page, l[:]) {
			return true
		}
	}
	return false
}

// TestABreachOnAGoodPageIsAnswered although the others that a block's
// transactions are looked up on are garbage.
func TestABreachOnAGoodPageIsAnswered(t *testing.T) {
	r, whole := newDamaged(t)
	r.repaired(whole)
	b, l := r.watched()
	for range 300 { // the index has many pages
		r.must(r.add(t, small()))
	}
	r.tower.Stop()
	whole, err := os.ReadFile(storeOf(r.dir))
	r.must(err)
	good := r.indexPage(whole, l)
	for at := 0; at < len(whole); at += 4096 {
		if at != good && r.isIndexPage(whole[at:at+4096]) {
			copy(whole[at:at+4096], bytes.Repeat([]byte{0xff}, 4096))
		}
	}
	r.writeStore(whole)
	r.tower.Launch()
	ready(t, r.tower)
	r.node.MineBlock(b.dispute)
	r.published(b)
}
