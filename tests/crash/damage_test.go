package crash

import (
	"bytes"
	"encoding/binary"
	"iter"
	"maps"
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
	t.Parallel()
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
	t.Parallel()
	r, whole := newDamaged(t)
	r.writeStore(nil)
	r.tower.Launch()
	if answersOrEnds(t, r.tower) {
		t.Error("the tower serves, and has forgotten everything")
	}
	r.repaired(whole)
}

// onLeaf tells whether a page is a leaf of an index and has an entry for a
// locator (SQLite's file format, 1.6: pages of type 10). What an entry has left
// behind where it was before counts for nothing.
func onLeaf(page []byte, l teos.Locator) bool {
	if page[0] != 10 {
		return false
	}
	entries := int(binary.BigEndian.Uint16(page[3:]))
	for i := range entries {
		at := int(binary.BigEndian.Uint16(page[8+2*i:]))
		// A length below 128 is one byte; an entry of locators is shorter.
		if end := at + 1 + int(page[at]); end <= len(page) && bytes.Contains(page[at:end], l[:]) {
			return true
		}
	}
	return false
}

// indexPage is where the index of locators has its leaf for one of these. One
// entry in some hundred is not on a leaf, but on a page above.
func (r *rig) indexPage(whole []byte, locators iter.Seq[teos.Locator]) (at int, l teos.Locator) {
	r.Helper()
	for l := range locators {
		for at := 0; at < len(whole); at += 4096 {
			if onLeaf(whole[at:at+4096], l) {
				return at, l
			}
		}
	}
	r.Fatal("no leaf of an index has any of the locators")
	return 0, l
}

// newDamagedPage starts a tower one of whose pages, which a locator is found by, is
// garbage.
func newDamagedPage(t *testing.T) (r *rig, whole []byte, victim teos.Locator) {
	t.Helper()
	r, whole = newDamaged(t)
	broken := bytes.Clone(whole)
	at, victim := r.indexPage(whole, maps.Keys(r.entries))
	copy(broken[at:at+4096], bytes.Repeat([]byte{0xff}, 4096))
	r.writeStore(broken)
	r.tower.Launch()
	ready(t, r.tower)
	return r, whole, victim
}

// TestADamagedPage: what it holds is refused and not called missing, nothing is
// promised on it, and with the file put back all is there.
func TestADamagedPage(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	r, _, victim := newDamagedPage(t)
	_ = r.add(t, r.entries[victim].kept)
	r.closed()
}

// isIndexPage tells whether a page of the index of locators has any of ours.
func (r *rig) isIndexPage(page []byte) bool {
	for l := range r.entries {
		if onLeaf(page, l) {
			return true
		}
	}
	return false
}

// TestABreachOnAGoodPageIsAnswered although the others that a block's
// transactions are looked up on are garbage.
func TestABreachOnAGoodPageIsAnswered(t *testing.T) {
	t.Parallel()
	r, whole := newDamaged(t)
	r.repaired(whole)
	breaches := map[teos.Locator]*breach{}
	for range 3 {
		b, l := r.watched()
		breaches[l] = b
	}
	for range 300 { // the index has many pages
		r.must(r.add(t, small()))
	}
	r.tower.Stop()
	whole, err := os.ReadFile(storeOf(r.dir))
	r.must(err)
	good, l := r.indexPage(whole, maps.Keys(breaches))
	for at := 0; at < len(whole); at += 4096 {
		if at != good && r.isIndexPage(whole[at:at+4096]) {
			copy(whole[at:at+4096], bytes.Repeat([]byte{0xff}, 4096))
		}
	}
	r.writeStore(whole)
	r.tower.Launch()
	ready(t, r.tower)
	r.node.MineBlock(breaches[l].dispute)
	r.published(breaches[l])
}
