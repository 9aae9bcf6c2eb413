package matrix

import (
	"fmt"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/tests/harness"
)

// fates are what a reorg may do to a breach. Each says what is in a block
// before the fork, in the old branch and in the new one: the (d)ispute, its
// (p)enalty, a (r)ival of the penalty, or another spend (x) of what the
// dispute spends; a branch has them in its 1st, its middle (5th) or last (9th)
// block.
var fates = []struct{ name, before, old, new string }{
	{"untouched", "", "", ""},
	{"dispute gone", "", "d1", ""},
	{"dispute gone from the middle", "", "d5", ""},
	{"penalty gone", "d", "p9", ""},
	{"both gone", "", "d1 p9", ""},
	{"dispute moved up", "", "d1", "d9"},
	{"dispute moved down", "", "d9", "d1"},
	{"dispute moved up, penalty gone", "", "d1 p5", "d9"},
	{"both moved", "", "d1 p9", "d5 p9"},
	{"dispute in the new branch's middle", "", "", "d5"},
	{"both in the new branch", "", "", "d5 p9"},
	{"penalty in both branches", "d", "p9", "p1"},
	{"rival gone", "d", "r9", ""},
	{"rival instead of the penalty", "d", "p9", "r9"},
	{"penalty instead of the rival", "d", "r1", "p9"},
	{"dispute replaced", "", "d1 p5", "x1"},
	{"all before the fork", "dp", "", ""},
}

// ways are how a branch takes the place of another. Those that are not deep are
// played a hundred blocks deep in the full set only, and so are all of them on
// btcd where bitcoind plays them.
var ways = []struct {
	name string
	deep bool
	play func(*reorg)
}{
	{"longer", true, func(r *reorg) { r.grow(r.depth + 1) }},
	{"forward", false, func(r *reorg) { r.grow(r.depth + 12) }},
	{"same height", false, func(r *reorg) { r.unseen(func() { r.invalidate(r.old); r.grow(r.depth) }) }},
	{"shrinking", false, func(r *reorg) { r.unseen(func() { r.invalidate(r.old); r.grow(r.depth - 1) }) }},
	{"shrinking in sight", false, func(r *reorg) {
		r.invalidate(r.old)
		r.agrees()
		r.grow(r.depth + 1)
	}},
	{"during downtime", false, func(r *reorg) {
		r.tower.Stop()
		r.grow(r.depth + 1)
		r.restart()
		r.tower.Start()
	}},
	{"during crashes", true, func(r *reorg) {
		r.grow(r.depth + 1)
		r.crashAt("msg=reorg")
		r.crashAt("block processed")
		r.crashAt("block processed")
	}},
	{"flapping", false, func(r *reorg) {
		r.grow(r.depth + 1)
		for range 3 {
			r.turn(r.new, r.old)
			r.turn(r.old, r.new)
		}
	}},
	{"and home again", false, func(r *reorg) {
		r.grow(r.depth + 1)
		r.agrees()
		r.turn(r.new, r.old)
	}},
}

// TestReorgs: whatever way, depth and fate, the end is the one that the winning
// chain implies, and all that is pending gets into the next block.
func TestReorgs(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		for _, way := range ways {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, variant, harness.Options{"log-level": "debug"})
				depths := []int{1, 2, 6}
				if full() || way.deep && !variant.Spare() {
					depths = append(depths, 100)
				}
				for _, depth := range depths {
					s.reorganise(depth, way.play)
				}
				s.node.Mine(1)
				s.agrees()
			})
		}
	})
}

// reorg is two branches, of which the old one won at first.
type reorg struct {
	*scene
	depth    int // of the old branch
	fates    []*breach
	fork     chainhash.Hash
	old, new []chainhash.Hash
}

func (s *scene) reorganise(depth int, play func(*reorg)) {
	s.Helper()
	r := &reorg{scene: s, depth: depth}
	user := s.user()
	for _, fate := range fates {
		r.fates = append(r.fates, s.watched(user, fmt.Sprintf("%d deep, %s", depth, fate.name)))
	}
	var before []*wire.MsgTx
	for i, fate := range fates {
		for _, what := range fate.before {
			before = append(before, r.fates[i].tx(what))
		}
	}
	s.node.Mine(1) // what the last reorg has left pending
	r.fork = s.node.MineBlock(before...)
	r.old = s.grow(r.fork, r.branch(depth, func(i int) string { return fates[i].old }))
	s.agrees()
	play(r)
	s.agrees()
}

// tx is the transaction that fates name by a letter.
func (b *breach) tx(letter rune) *wire.MsgTx {
	return map[rune]*wire.MsgTx{'d': b.dispute, 'p': b.penalty, 'r': b.rival, 'x': b.replacement}[letter]
}

// branch lays the transactions of all fates out over blocks.
func (r *reorg) branch(length int, of func(fate int) string) [][]*wire.MsgTx {
	contents := make([][]*wire.MsgTx, max(length, 0))
	for i := range fates {
		for _, word := range strings.Fields(of(i)) {
			at := map[byte]int{'1': 0, '5': length / 2, '9': length - 1}[word[1]]
			if length > 0 {
				contents[at] = append(contents[at], r.fates[i].tx(rune(word[0])))
			}
		}
	}
	return contents
}

// grow mines the new branch.
func (r *reorg) grow(length int) {
	r.Helper()
	r.new = r.scene.grow(r.fork, r.branch(length, func(i int) string { return fates[i].new }))
}

func (r *reorg) invalidate(branch []chainhash.Hash) { r.node.Invalidate(branch[0]) }

// turn makes the node leave one branch for the other.
func (r *reorg) turn(from, to []chainhash.Hash) {
	r.Helper()
	r.node.Invalidate(from[0])
	r.node.Reconsider(to[0])
}

// unseen does something of which the tower sees the outcome only.
func (r *reorg) unseen(do func()) {
	r.Helper()
	thaw := harness.Freeze(r, r.tower)
	do()
	thaw()
}

// crashAt kills the tower as soon as it logs a line, or has nothing more to do.
func (r *reorg) crashAt(line string) {
	r.Helper()
	before := harness.TowerLogged(r.tower, "DEBUG", line) + harness.TowerLogged(r.tower, "WARN", line)
	tip := r.node.Height()
	r.until("the tower to log "+line, func() bool {
		now := harness.TowerLogged(r.tower, "DEBUG", line) + harness.TowerLogged(r.tower, "WARN", line)
		return now > before || r.info().Height == tip
	})
	r.tower.Kill()
	r.tower.Start()
}
