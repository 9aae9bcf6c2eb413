package matrix

import (
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/tests/harness"
)

// causes keep a penalty from the mempool.
var causes = []struct {
	name string
	// reasons are the backend's words, by its name; a backend that is not
	// in it does not know this cause.
	reasons map[string]string
	// later is what every backend says instead from the second try on, if it
	// says something else.
	later string
	// args are the node's while the cause lasts.
	args map[string][]string
	// breach is the one to answer: nil for a plain one.
	breach func(*scene, *user) *breach
	// arises puts the dispute on the chain and the penalty off the mempool.
	arises func(*scene, *breach)
	// passes takes the cause away.
	passes func(*scene, *breach)
}{
	{
		name:    "minimum relay fee above the penalty's",
		reasons: map[string]string{"btcd": "insufficient priority", "bitcoind": "min relay fee not met"},
		args:    map[string][]string{"btcd": {"--minrelaytxfee=0.01"}, "bitcoind": {"-minrelaytxfee=0.01"}},
		arises:  func(s *scene, b *breach) { s.node.MineBlock(b.dispute) },
		passes:  func(s *scene, _ *breach) { s.restartPlain() },
	}, {
		name:    "mempool minimum fee above the penalty's",
		reasons: map[string]string{"bitcoind": "mempool min fee not met"},
		args:    map[string][]string{"bitcoind": smallPool},
		breach:  func(s *scene, u *user) *breach { return s.cheap(u, 1) },
		arises:  func(s *scene, b *breach) { s.fill(2 * poolSize); s.node.MineBlock(b.dispute) },
		passes:  func(s *scene, _ *breach) { s.drain() },
	}, {
		name:    "mempool full",
		reasons: map[string]string{"bitcoind": "mempool full"},
		later:   "mempool min fee not met", // which rises by what was just evicted
		args:    map[string][]string{"bitcoind": smallPool},
		breach:  func(s *scene, u *user) *breach { return s.cheap(u, 1500) },
		arises:  func(s *scene, b *breach) { s.fill(poolSize); s.node.MineBlock(b.dispute) },
		passes:  func(s *scene, _ *breach) { s.drain() },
	}, {
		name:    "missing inputs",
		reasons: map[string]string{"btcd": "orphan transaction", "bitcoind": "bad-txns-inputs-missingorspent"},
		args:    map[string][]string{"btcd": {"--rejectnonstd"}, "bitcoind": {"-acceptnonstdtxn=0"}},
		breach:  (*scene).unrelayed,
		arises:  (*scene).takeBack,
		passes:  func(s *scene, b *breach) { s.node.MineBlock(b.dispute) },
	}, {
		name:    "a parent that may not be spent unconfirmed",
		reasons: map[string]string{"bitcoind": "non-version=3 tx"},
		args:    map[string][]string{"bitcoind": trucArgs()},
		breach:  (*scene).truc,
		arises:  func(s *scene, b *breach) { s.takeBack(b); s.restart() },
		passes:  func(s *scene, _ *breach) { s.node.Mine(1) },
	}, {
		name:    "a rival in the mempool, until it is evicted",
		reasons: map[string]string{"btcd": "insufficient fee", "bitcoind": "insufficient fee"},
		arises: func(s *scene, b *breach) {
			s.node.MustSend(b.dispute)
			s.node.MustSend(b.rival)
			s.node.MineBlock(b.dispute)
		},
		breach: (*scene).shaky,
		passes: func(s *scene, b *breach) { s.node.MustSend(b.eviction); s.node.MineBlock() },
	}, {
		name:    "a rival in the mempool, until a reorg and a restart",
		reasons: map[string]string{"btcd": "already spent", "bitcoind": "insufficient fee"},
		arises: func(s *scene, b *breach) {
			s.node.MustSend(b.dispute)
			s.node.MustSend(b.rival)
			fork := s.node.MineBlock(b.dispute)
			s.grow(fork, [][]*wire.MsgTx{{b.rival}})
			s.agrees()
			s.grow(fork, make([][]*wire.MsgTx, 2))
		},
		passes: func(s *scene, _ *breach) { s.restartPlain() },
	},
}

// TestCauses: a penalty that the backend refuses is not given up; the operator
// reads why; as soon as the cause is gone the penalty goes out and confirms.
func TestCauses(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		for _, c := range causes {
			reason, known := c.reasons[variant.Backend.Name]
			if !known {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, variant, nil, c.args[variant.Backend.Name]...)
				prepare := c.breach
				if prepare == nil {
					prepare = func(s *scene, u *user) *breach { return s.prepared(u, "") }
				}
				b := s.watch(prepare(s, s.user()))
				c.arises(s, b)
				b.refused = []string{reason}
				if c.later != "" {
					s.until("the first refusal", func() bool { return harness.TowerLogged(s.tower, "WARN", "refused", reason) > 0 })
					b.refused = append(b.refused, c.later)
				}
				s.agrees()
				c.passes(s, b)
				b.refused = nil
				s.confirms(b)
			})
		}
	})
}
