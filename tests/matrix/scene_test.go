package matrix

import (
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// firstHeight is the chain's height when a tower starts: a few coinbases are
// mature then.
const firstHeight = 110

// scene is a tower over a node, with all breaches that were prepared there.
type scene struct {
	*testing.T
	node *harness.Node
	// backend is the node's kind with its options, plain without.
	plain, backend harness.Backend
	tower          harness.Tower
	blocks         blocks
	breaches       []*breach
}

func newScene(t *testing.T, variant harness.Variant, options harness.Options, nodeArgs ...string) *scene {
	t.Helper()
	backend := variant.Backend.With(nodeArgs...)
	node := harness.StartNode(t, backend)
	node.MineTo(firstHeight)
	s := &scene{T: t, node: node, plain: variant.Backend, backend: backend, blocks: blocks{}, tower: harness.StartTower(t, variant, node, options)}
	s.agrees()
	return s
}

// user is a new user of the tower; every second one speaks the other dialect.
func (s *scene) user() *user {
	s.Helper()
	dialect := teos.V1
	if len(s.breaches)%2 == 0 {
		dialect = teos.V2
	}
	u := &user{Client: harness.NewUser(s, dialect, s.tower.HTTP())}
	receipt, err := u.Register(s.Context())
	if err != nil {
		s.Fatalf("register: %v", err)
	}
	u.slots = receipt.Slots
	return u
}

// user is a user, and the slots that were bought.
type user struct {
	*harness.Client
	slots uint32
}

// breach is a dispute, what may spend it, and the appointment for it.
type breach struct {
	name        string
	user        *user
	appointment teos.Appointment
	// The penalty and the rival spend the dispute; the replacement spends
	// what the dispute spends.
	dispute, penalty, rival, replacement *wire.MsgTx
	// eviction takes a coin from the rival.
	eviction *wire.MsgTx
	// seen says that the tower has met the dispute; missed, that it came
	// too late or was blind for it. end is how the breach ended.
	seen, missed bool
	end          state
	spender      *wire.MsgTx // at the end
	told         string      // by get_appointment at the last time
	// refused are the reasons of which one keeps the penalty out of the
	// mempool now.
	refused []string
}

// prepared is a breach to come that the tower knows nothing of.
func (s *scene) prepared(u *user, name string) *breach {
	s.Helper()
	coin := s.node.Wallet.Coin()
	dispute := s.node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{coin}, Fee: harness.Fee})
	b := s.breachOf(u, name, dispute, s.node.Wallet.Penalty(dispute, harness.Fee))
	b.replacement = s.node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{coin}, Fee: 2 * harness.Fee})
	return b
}

// breachOf is a breach to come by a dispute and a penalty that are special.
func (s *scene) breachOf(u *user, name string, dispute, penalty *wire.MsgTx) *breach {
	s.Helper()
	return &breach{name: name, user: u, dispute: dispute, penalty: penalty, rival: s.node.Wallet.Rival(dispute),
		appointment: u.NewAppointment(dispute.TxHash(), penalty)}
}

// codeKeep is the error_code by which a tower that is too busy tells a client
// to keep an appointment and send it again.
const codeKeep = 7

// watch hands the appointment in, as a client does, until it has the receipt;
// from now on the verdict is about it, too.
func (s *scene) watch(b *breach) *breach {
	s.Helper()
	s.until("the receipt for "+b.name, func() bool {
		_, err := b.user.Add(s.Context(), b.appointment)
		if code := harness.Code(err); err != nil && code != codeKeep {
			s.Fatalf("%s: add_appointment: %v", b.name, err)
		}
		return err == nil
	})
	s.breaches = append(s.breaches, b)
	return b
}

// watched is a breach to come that the tower watches for.
func (s *scene) watched(u *user, name string) *breach {
	s.Helper()
	return s.watch(s.prepared(u, name))
}

func (s *scene) info() harness.Info {
	s.Helper()
	info, err := s.tower.Info(s.Context())
	if err != nil {
		s.Fatalf("vigil-info: %v", err)
	}
	return info
}

// confirms demands that the penalty gets into the mempool, and from there into
// the next block.
func (s *scene) confirms(bs ...*breach) {
	s.Helper()
	for _, b := range bs {
		txid := b.penalty.TxHash()
		s.until(b.name+": the penalty to enter the mempool", func() bool { return s.node.InMempool(txid) })
	}
	s.node.Mine(1)
	s.agrees()
	for _, b := range bs {
		if s.node.ConfirmedAt(b.penalty.TxHash(), 1) == 0 {
			s.Fatalf("%s: the penalty was in the mempool and is not in the block", b.name)
		}
	}
}

// tip is the best block.
func (s *scene) tip() chainhash.Hash { s.Helper(); return s.node.BlockHash(s.node.Height()) }

// grow mines blocks with these transactions on a block.
func (s *scene) grow(on chainhash.Hash, contents [][]*wire.MsgTx) (hashes []chainhash.Hash) {
	s.Helper()
	for _, txs := range contents {
		on = s.node.MineBlockOn(on, txs...)
		hashes = append(hashes, on)
	}
	return hashes
}
