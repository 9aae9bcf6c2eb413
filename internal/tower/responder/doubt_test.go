package responder_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
)

// spoilt makes a penalty one that no node accepts.
func spoilt(tx *wire.MsgTx) *wire.MsgTx {
	tx.TxIn[0].Witness = wire.TxWitness{{0x52}}
	return tx
}

// Strangers can make the tower track what never was valid. It is tried, for our
// judgement is not the chain's, but after what verifies, and seldom.
func TestWhatDoesNotVerifyIsTriedAfterWhatDoes(t *testing.T) {
	const junk = 100
	inBubble(t, 0, func(o *office, _, _ []*wire.MsgTx) {
		var disputes, penalties []*wire.MsgTx
		o.update(func(tx tower.Tx) error {
			for n := range uint32(junk + 1) {
				dispute := chaintest.Dispute(n)
				penalty := chaintest.Penalty(dispute, 0)
				if n < junk {
					penalty = spoilt(penalty)
				}
				disputes, penalties = append(disputes, dispute), append(penalties, penalty)
				o.appointment(tx, dispute, penalty)
			}
			return nil
		})
		good := penalties[junk].TxHash()
		o.chain.Refuse(func(tx chain.Tx) error {
			if tx.ID == good {
				return nil
			}
			return errors.New("mandatory-script-verify-flag-failed")
		})
		o.mine(disputes...)
		ids := o.since(0)
		if len(ids) != junk+1 || slices.Index(ids, good) != 0 {
			t.Fatalf("%d published, the good one as number %d", len(ids), slices.Index(ids, good))
		}
		if tr := o.tracker(1); !tr.Doubtful || tr.Tries != 1 || tr.Reason != "mandatory-script-verify-flag-failed" {
			t.Errorf("a doubtful one: %+v", tr)
		}
		before := len(o.chain.Published())
		o.mine()
		o.wantSince(before, penalties[junk])
	})
}

// Whatever our own judgement of scripts is worth, the node's counts.
func TestADoubtfulPenaltyThatTheNodeAcceptsIsLikeAnyOther(t *testing.T) {
	inBubble(t, 0, func(o *office, _, _ []*wire.MsgTx) {
		dispute := chaintest.Dispute(1)
		penalty := spoilt(chaintest.Penalty(dispute, 0))
		o.update(func(tx tower.Tx) error {
			o.appointment(tx, dispute, penalty)
			return nil
		})
		o.mine(dispute)
		o.wantSince(0, penalty)
		o.mine()
		o.wantSince(1, penalty)
		o.mine(penalty)
		o.want(1, responder.ByPenalty, 4)
	})
}

func TestADoubtfulPenaltyIsTriedAgainAfterARestart(t *testing.T) {
	inBubble(t, 0, func(o *office, _, _ []*wire.MsgTx) {
		dispute := chaintest.Dispute(1)
		penalty := spoilt(chaintest.Penalty(dispute, 0))
		o.update(func(tx tower.Tx) error {
			o.appointment(tx, dispute, penalty)
			return nil
		})
		o.chain.Refuse(func(chain.Tx) error { return errors.New("no") })
		o.mine(dispute)
		o.halt()
		o.chain.Refuse(nil)
		before := len(o.chain.Published())
		o.start()
		o.pass(responder.RetryRefused)
		o.wantSince(before, penalty)
	})
}

// Ten thousand users may hand in one penalty.
func TestAPenaltyOfManyUsersIsPublishedOnceARound(t *testing.T) {
	const users = 200
	inBubble(t, 0, func(o *office, _, _ []*wire.MsgTx) {
		dispute := chaintest.Dispute(1)
		penalty := chaintest.Penalty(dispute, 0)
		o.update(func(tx tower.Tx) error {
			for n := range byte(users) {
				u := towertest.NewUser(n+50, teos.V2)
				if err := tx.PutUser(gatekeeper.User{ID: u.ID(), Dialect: teos.V2, Expiry: 1000}); err != nil {
					return err
				}
				o.user = u
				o.appointment(tx, dispute, penalty)
			}
			return nil
		})
		o.mine(dispute)
		o.wantSince(0, penalty)
		o.mine()
		o.wantSince(1, penalty)
		for _, row := range []int64{1, users} {
			if tr := o.tracker(row); tr.Tries != 2 || !tr.Accepted {
				t.Errorf("%+v", tr)
			}
		}
	})
}

// stuck is a store that can be read and not written to.
type stuck struct{ tower.Store }

func (stuck) Update(context.Context, func(tower.Tx) error) error { return tower.ErrStore }

func TestABreachIsAnsweredThoughNothingCanBeRecorded(t *testing.T) {
	inBubble(t, 2, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.halt()
		o.tower = tower.New(towertest.Key(0), stuck{o.store}, tower.Terms{}, towertest.Quiet())
		p := responder.NewPublisher(o.tower, o.chain, towertest.Quiet())
		o.tower.OnUnrecorded(p.Unrecorded)
		ctx, cancel := context.WithCancel(o.t.Context())
		defer cancel()
		var work sync.WaitGroup
		work.Go(func() { p.Run(ctx) })
		block := o.chain.Mine(disputes...)
		if err := o.tower.Connect(o.t.Context(), block); !errors.Is(err, tower.ErrStore) {
			t.Errorf("got %v, want %v", err, tower.ErrStore)
		}
		for range 2 { // once for each glance
			before := len(o.chain.Published())
			if err := o.tower.Glance(o.t.Context(), block); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			ids := o.since(before)
			if len(ids) != 2 || !slices.Contains(ids, penalties[0].TxHash()) || !slices.Contains(ids, penalties[1].TxHash()) {
				t.Errorf("published %v", ids)
			}
		}
		cancel()
		work.Wait()
		o.start()
		if err := o.tower.Connect(o.t.Context(), block); err != nil { // the disk works again
			t.Fatal(err)
		}
		synctest.Wait()
		o.want(1, responder.Unspent, 0)
	})
}
