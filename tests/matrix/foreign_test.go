package matrix

import (
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/tests/harness"
)

// foreigners are backends that serve another chain than the tower's.
var foreigners = []struct {
	name, chain string
	height      int
	complaint   string
}{
	{"another network", "signet", 0, "on another network"},
	{"another chain, longer", "regtest", firstHeight + 20, "leaves ours deeper than we remember"},
	{"another chain, shorter", "regtest", firstHeight - 20, "leaves ours deeper than we remember"},
}

// TestForeignChain: a backend that answers with another chain's blocks is told
// of, and changes nothing; the tower accepts meanwhile, and goes on when its
// own chain is back.
func TestForeignChain(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		for _, f := range foreigners {
			// Without word of a new block the tower looks again five minutes
			// after it was led astray so far.
			if f.chain == "regtest" && variant.Backend.Name == "btcd" {
				continue
			}
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, variant, nil)
				u := s.user()
				before := s.watched(u, "before")
				s.until("the window to be filled", func() bool { return s.info().RecentFrom <= 1 })
				s.agrees()
				foreign := harness.StartForeign(t, s.node, f.chain)
				if f.height > 0 {
					foreign.Mine(f.height)
				}
				was := s.info()
				s.node.ServeAs(foreign)
				s.complains(f.complaint)
				if now := s.info(); now.Height != was.Height || now.RecentFrom != was.RecentFrom || len(now.Blind) > 0 {
					s.Fatalf("another chain moved the tower from %+v to %+v", was, now)
				}
				if harness.TowerLogged(s.tower, "WARN", f.complaint) == 0 {
					s.Fatal("the log does not tell of it")
				}
				during := s.watched(u, "during")
				s.node.ServeItself()
				s.node.MineBlock(before.dispute, during.dispute)
				s.confirms(before, during)
			})
		}
	})
}

// TestPruned: blocks that the backend threw away while the tower was off are
// told of as loudly as can be. What came before them and after is answered.
func TestPruned(t *testing.T) {
	onBitcoind(t, func(t *testing.T, variant harness.Variant) {
		s := newScene(t, variant, nil, "-prune=1", "-fastprune")
		u := s.user()
		known, unseen, after := s.watched(u, "known"), s.watched(u, "unseen"), s.watched(u, "after")
		s.node.MineBlock(known.dispute)
		s.agrees()
		s.tower.Kill()
		seen := s.node.Height()
		s.node.MineBlock(unseen.dispute)
		s.grow(s.tip(), make([][]*wire.MsgTx, 700))
		s.node.MineBlock(after.dispute)
		s.places() // remembers what is there no longer
		s.call(nil, "pruneblockchain", s.node.Height()-300)
		var chain struct{ PruneHeight int }
		s.call(&chain, "getblockchaininfo")
		unseen.missed = true
		s.tower.Start()
		s.agrees()
		info := s.info()
		if len(info.Blind) != 1 || info.Blind[0].From != seen+1 || info.Blind[0].To != chain.PruneHeight-1 {
			s.Fatalf("blind: %v, want %d to %d", info.Blind, seen+1, chain.PruneHeight-1)
		}
		s.warns("were never seen")
		if harness.TowerLogged(s.tower, "ERROR", "blocks can't be had any more") != 1 {
			s.Fatal("the log does not tell of it as an error, once")
		}
		s.confirms(known, after)
	})
}
