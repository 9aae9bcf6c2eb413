package responder_test

import (
	"errors"
	"math"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/store"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

// bench is a store with one user, and the blocks of a chain.
type bench struct {
	t     *testing.T
	store *store.DB
	chain *chaintest.Chain
	user  towertest.User
}

func newBench(t *testing.T) *bench {
	b := &bench{t, towertest.Open(t, towertest.File(t)), chaintest.New(), towertest.NewUser(1, teos.V2)}
	b.update(func(tx tower.Tx) error {
		return tx.PutUser(gatekeeper.User{ID: b.user.ID(), Dialect: teos.V2, Expiry: math.MaxUint32})
	})
	return b
}

func (b *bench) update(f func(tx tower.Tx) error) {
	b.t.Helper()
	towertest.Update(b.t, b.store, f)
}

// track stores the n-th breach, whose dispute is in a block, and returns the
// row and what is in the breach.
func (b *bench) track(n, height uint32) (row int64, dispute, penalty *wire.MsgTx) {
	b.t.Helper()
	dispute = chaintest.Dispute(n)
	penalty = chaintest.Penalty(dispute, 0)
	b.update(func(tx tower.Tx) error {
		row = b.appointment(tx, dispute, penalty)
		return responder.Track(tx, row, towertest.Tx(dispute), height, towertest.Tx(penalty))
	})
	return row, dispute, penalty
}

func (b *bench) appointment(tx tower.Tx, dispute, penalty *wire.MsgTx) int64 {
	b.t.Helper()
	u, err := tx.User(b.user.ID())
	if err != nil {
		b.t.Fatal(err)
	}
	a := watcher.Appointment{UserRow: u.Row, Appointment: b.user.Appointment(dispute, penalty)}
	a.UserSignature = teos.Sign(b.user.Key, a.Message())
	row, err := tx.PutAppointment(a)
	if err != nil {
		b.t.Fatal(err)
	}
	return row
}

// judge mines a block and judges by it.
func (b *bench) judge(txs ...*wire.MsgTx) *chain.Block {
	b.t.Helper()
	block := b.chain.Mine(txs...)
	b.update(func(tx tower.Tx) error { return responder.Judge(tx, block) })
	return block
}

func (b *bench) fork(height uint32) {
	b.t.Helper()
	b.chain.Fork(height)
	b.update(func(tx tower.Tx) error { return tx.UndoAbove(height) })
}

func (b *bench) tracker(row int64) (tr responder.Tracker) {
	b.t.Helper()
	b.update(func(tx tower.Tx) (err error) {
		tr, err = tx.Tracker(row)
		return err
	})
	return tr
}

func (b *bench) want(row int64, spend responder.Spend, at uint32) {
	b.t.Helper()
	if tr := b.tracker(row); tr.Spend != spend || tr.SpentAt != at {
		b.t.Errorf("%v at %d, want %v at %d", tr.Spend, tr.SpentAt, spend, at)
	}
}

func TestJudge(t *testing.T) {
	dispute := chaintest.Dispute(1)
	penalty, rival := chaintest.Penalty(dispute, 0), chaintest.Penalty(dispute, 1)
	for name, c := range map[string]struct {
		blocks [][]*wire.MsgTx // the dispute is in the first
		spend  responder.Spend
		at     uint32
	}{
		"nothing":            {[][]*wire.MsgTx{{dispute}, {}}, responder.Unspent, 0},
		"same block":         {[][]*wire.MsgTx{{dispute, penalty}, {}}, responder.ByPenalty, 1},
		"later":              {[][]*wire.MsgTx{{dispute}, {}, {}, {penalty}, {}}, responder.ByPenalty, 4},
		"rival, same block":  {[][]*wire.MsgTx{{dispute, rival}}, responder.ByRival, 1},
		"rival, later":       {[][]*wire.MsgTx{{dispute}, {rival}, {}}, responder.ByRival, 2},
		"a stranger's spend": {[][]*wire.MsgTx{{dispute}, {chaintest.Penalty(chaintest.Dispute(2), 0)}}, responder.Unspent, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			row, _, _ := b.track(1, 1)
			for _, txs := range c.blocks {
				b.judge(txs...)
			}
			b.want(row, c.spend, c.at)
			tr := b.tracker(row)
			if want := uint32(len(c.blocks)); tr.Judged != want || tr.DisputeAt != 1 {
				t.Errorf("judged up to %d, dispute at %d", tr.Judged, tr.DisputeAt)
			}
			if c.spend == responder.ByRival && tr.Spender != rival.TxHash() {
				t.Errorf("spender %v", tr.Spender)
			}
		})
	}
}

// A penalty of two inputs fails with either of them.
func TestTheFirstSpendDecides(t *testing.T) {
	b := newBench(t)
	dispute := chaintest.Dispute(1)
	dispute.AddTxOut(wire.NewTxOut(1e5, []byte{0x51}))
	id := dispute.TxHash()
	penalty := chaintest.Penalty(dispute, 0)
	penalty.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&id, 1), nil, nil))
	second := wire.NewMsgTx(2)
	second.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&id, 1), nil, nil))
	second.AddTxOut(wire.NewTxOut(1, []byte{0x51}))
	var row int64
	b.update(func(tx tower.Tx) error {
		row = b.appointment(tx, dispute, penalty)
		return responder.Track(tx, row, towertest.Tx(dispute), 1, towertest.Tx(penalty))
	})
	b.judge(dispute)
	b.judge(second)
	b.judge(chaintest.Penalty(dispute, 1))
	b.want(row, responder.ByRival, 2)
	if got := b.tracker(row).Spender; got != second.TxHash() {
		t.Errorf("spender %v, want %v", got, second.TxHash())
	}
	b.fork(1)
	b.judge(penalty)
	b.want(row, responder.ByPenalty, 2)
}

func TestUndo(t *testing.T) {
	b := newBench(t)
	row, dispute, penalty := b.track(1, 1)
	b.judge(dispute)
	b.judge(penalty)
	b.fork(2)
	b.want(row, responder.ByPenalty, 2)
	b.fork(1)
	b.want(row, responder.Unspent, 0)
	b.judge(chaintest.Penalty(dispute, 1))
	b.want(row, responder.ByRival, 2)
	b.fork(0)
	if tr := b.tracker(row); tr.DisputeAt != 0 || tr.Judged != 0 || tr.Spend != responder.Unspent {
		t.Errorf("after the dispute went: %+v", tr)
	}
	replacement := dispute.Copy()
	replacement.LockTime = 5
	b.judge(replacement)
	b.want(row, responder.Replaced, 1)
	b.fork(0)
	b.judge(dispute)
	if tr := b.tracker(row); tr.DisputeAt != 1 || tr.Spend != responder.Unspent {
		t.Errorf("after the dispute came back: %+v", tr)
	}
}

// A tracker made late is brought forward alone, block by block, while the
// others go on.
func TestEveryTrackerMeetsEveryBlockInOrderOnce(t *testing.T) {
	b := newBench(t)
	first, dispute, penalty := b.track(1, 1)
	lateDispute := chaintest.Dispute(2)
	latePenalty := chaintest.Penalty(lateDispute, 0)
	var blocks []*chain.Block
	for _, txs := range [][]*wire.MsgTx{{dispute}, {lateDispute}, {latePenalty}, {}} {
		blocks = append(blocks, b.judge(txs...))
	}
	var late int64
	b.update(func(tx tower.Tx) error {
		late = b.appointment(tx, lateDispute, latePenalty)
		return responder.Track(tx, late, chain.Tx{ID: lateDispute.TxHash()}, 2, towertest.Tx(latePenalty))
	})
	b.judge(penalty) // 5: not for the late one yet
	b.want(first, responder.ByPenalty, 5)
	if got := b.tracker(late).Judged; got != 1 {
		t.Errorf("the late one is judged up to %d", got)
	}
	for _, block := range []*chain.Block{blocks[2], blocks[0], blocks[1], blocks[1]} { // 3 and 1 are out of order
		b.update(func(tx tower.Tx) error { return responder.Judge(tx, block) })
	}
	if tr := b.tracker(late); tr.Judged != 2 || !tr.Described() || tr.Spend != responder.Unspent {
		t.Errorf("the late one: %+v", tr)
	}
	b.update(func(tx tower.Tx) error { return responder.Judge(tx, blocks[2]) })
	b.want(late, responder.ByPenalty, 3)
	b.want(first, responder.ByPenalty, 5)
	if got := b.tracker(first).Judged; got != 5 {
		t.Errorf("the first one is judged up to %d", got)
	}
}

func TestATrackedBreachOnlyLearnsWhereItsDisputeIs(t *testing.T) {
	b := newBench(t)
	row, dispute, penalty := b.track(1, 1)
	b.judge(dispute)
	b.judge(penalty)
	before := b.tracker(row)
	b.update(func(tx tower.Tx) error {
		return responder.Track(tx, row, towertest.Tx(dispute), 9, towertest.Tx(chaintest.Penalty(dispute, 3)))
	})
	after := b.tracker(row)
	if after.DisputeAt != 9 || after.Penalty.ID != before.Penalty.ID || after.Spend != responder.ByPenalty {
		t.Errorf("before %+v, after %+v", before, after)
	}
	b.update(func(tx tower.Tx) error {
		if err := responder.DisputeSeen(tx, 77, towertest.Tx(dispute), 9); !errors.Is(err, responder.ErrNoTracker) {
			t.Errorf("got %v, want %v", err, responder.ErrNoTracker)
		}
		return nil
	})
}

func TestInvariant5BuriedIsAHundredDeep(t *testing.T) {
	for name, spend := range map[string]func(dispute, penalty *wire.MsgTx) *wire.MsgTx{
		"penalty": func(_, penalty *wire.MsgTx) *wire.MsgTx { return penalty },
		"rival":   func(dispute, _ *wire.MsgTx) *wire.MsgTx { return chaintest.Penalty(dispute, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			_, dispute, penalty := b.track(1, 1)
			b.track(2, 1) // stays pending
			b.judge(dispute)
			b.judge(spend(dispute, penalty)) // 2
			for height, want := range map[uint32]int{0: 0, 2: 0, 99: 0, 100: 0, 101: 1, 102: 1, math.MaxUint32: 1} {
				b.update(func(tx tower.Tx) error {
					got, err := responder.Buried(tx, height)
					if len(got) != want {
						t.Errorf("at %d: %d buried, want %d", height, len(got), want)
					}
					return err
				})
			}
		})
	}
}

func TestSpendsHaveNames(t *testing.T) {
	for spend, want := range map[responder.Spend]string{
		responder.Unspent: "pending", responder.ByPenalty: "confirmed",
		responder.ByRival: "rivalled", responder.Replaced: "replaced",
	} {
		if spend.String() != want {
			t.Errorf("got %q, want %q", spend, want)
		}
	}
}
