package responder_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
)

// office is a tower with its publisher, in a bubble of its own time; blocks
// are handed to the tower by the test.
type office struct {
	*bench
	tower *tower.Tower
	tries []error // the answers that the publisher told of
	halt  func()
}

// inBubble runs a test in an office with some breaches, whose disputes are not
// in the chain yet.
func inBubble(t *testing.T, breaches int, f func(o *office, disputes, penalties []*wire.MsgTx)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &office{bench: newBench(t)}
		var disputes, penalties []*wire.MsgTx
		o.update(func(tx tower.Tx) error {
			for n := range uint32(breaches) {
				dispute := chaintest.Dispute(n)
				disputes = append(disputes, dispute)
				penalties = append(penalties, chaintest.Penalty(dispute, 0))
				o.appointment(tx, dispute, penalties[n])
			}
			return nil
		})
		o.start()
		if err := o.tower.Begin(t.Context(), o.chain.Mine()); err != nil {
			t.Fatal(err)
		}
		f(o, disputes, penalties)
	})
}

func (o *office) start() {
	terms := tower.Terms{Terms: gatekeeper.Terms{Slots: 1, Duration: 1}, RecentBlocks: 6}
	o.tower = tower.New(towertest.Key(0), o.store, terms, towertest.Quiet())
	p := responder.NewPublisher(o.tower, o.chain, towertest.Quiet())
	p.OnTry(func(err error) { o.tries = append(o.tries, err) })
	o.tower.OnPenaltyDue(p.Wake)
	ctx, cancel := context.WithCancel(o.t.Context())
	var work sync.WaitGroup
	work.Go(func() { p.Run(ctx) })
	o.halt = func() { cancel(); work.Wait() }
	o.t.Cleanup(func() { o.halt() })
	synctest.Wait()
}

// mine hands a block to the tower and waits for what it sets off.
func (o *office) mine(txs ...*wire.MsgTx) {
	o.t.Helper()
	if err := o.tower.Connect(o.t.Context(), o.chain.Mine(txs...)); err != nil {
		o.t.Fatal(err)
	}
	synctest.Wait()
}

func (o *office) reorg(height uint32) {
	o.t.Helper()
	o.chain.Fork(height)
	o.chain.DropMempool()
	if err := o.tower.Disconnect(o.t.Context(), height); err != nil {
		o.t.Fatal(err)
	}
	synctest.Wait()
}

func (o *office) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// since returns what was published after the first n.
func (o *office) since(n int) []chainhash.Hash {
	var ids []chainhash.Hash
	for _, p := range o.chain.Published()[n:] {
		ids = append(ids, p.Tx.ID)
	}
	return ids
}

func (o *office) wantSince(n int, want ...*wire.MsgTx) {
	o.t.Helper()
	var ids []chainhash.Hash
	for _, tx := range want {
		ids = append(ids, tx.TxHash())
	}
	if got := o.since(n); fmt.Sprint(got) != fmt.Sprint(ids) {
		o.t.Errorf("published %v, want %v", got, ids)
	}
}

func TestAPenaltyIsPublishedAtOnceAndAtEachBlock(t *testing.T) {
	inBubble(t, 2, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.mine(disputes[0])
		o.wantSince(0, penalties[0])
		o.pass(time.Hour)
		o.wantSince(1) // it was accepted: nothing until a block
		o.mine()
		o.wantSince(1, penalties[0])
		o.mine(disputes[1])
		o.wantSince(2, penalties[1], penalties[0]) // what was never tried goes first
		o.mine(penalties[0])
		o.wantSince(4, penalties[1])
		o.mine(chaintest.Penalty(disputes[1], 1))
		o.mine()
		o.wantSince(5) // the chain has decided
		tr := o.tracker(1)
		if tr.Tries != 3 || tr.TriedAt != 4 || !tr.Accepted || tr.Reason != "" {
			t.Errorf("noted %+v", tr)
		}
	})
}

func TestInvariant5ARefusalDecidesNothing(t *testing.T) {
	inBubble(t, 1, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.chain.Refuse(func(chain.Tx) error {
			return errors.New("txn-already-known, missing inputs, " + strings.Repeat("x", 5000))
		})
		o.mine(disputes[0])
		o.wantSince(0, penalties[0])
		if tr := o.tracker(1); tr.Accepted || len(tr.Reason) > 300 || tr.Reason == "" {
			t.Errorf("noted %+v", tr)
		}
		o.pass(time.Hour)
		if n := len(o.since(1)); n < 50 {
			t.Errorf("a refused penalty was tried %d times more in an hour without blocks", n)
		}
		before := len(o.chain.Published())
		o.mine()
		if len(o.since(before)) == 0 {
			t.Error("a refused penalty was not tried at a block")
		}
		o.chain.Refuse(nil)
		o.pass(time.Minute)
		if tr := o.tracker(1); !tr.Accepted || tr.Reason != "" {
			t.Errorf("noted %+v", tr)
		}
		before = len(o.chain.Published())
		o.pass(time.Hour)
		o.wantSince(before)
	})
}

func TestABackendThatHangsHoldsUpNoTryForEver(t *testing.T) {
	inBubble(t, 1, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.chain.Stall(chaintest.PublishCall, 2)
		o.mine(disputes[0])
		o.wantSince(0)
		o.pass(time.Hour)
		o.wantSince(0, penalties[0])
	})
}

// TestEachTryIsTold: what the backend said, once for penalties that are the same.
func TestEachTryIsTold(t *testing.T) {
	inBubble(t, 2, func(o *office, disputes, penalties []*wire.MsgTx) {
		no := errors.New("min relay fee not met")
		o.chain.Refuse(func(tx chain.Tx) error {
			if tx.ID == penalties[0].TxHash() {
				return no
			}
			return nil
		})
		o.mine(disputes...)
		if len(o.tries) != 2 || !errors.Is(errors.Join(o.tries...), no) || o.tries[0] != nil && o.tries[1] != nil {
			t.Errorf("told of %v, want one refusal and one success", o.tries)
		}
	})
}

func TestInvariant6ARestartPublishesAllThatIsUnspent(t *testing.T) {
	inBubble(t, 3, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.mine(disputes...)
		o.mine(penalties[1])
		before := len(o.chain.Published())
		o.halt()
		o.chain.DropMempool()
		o.start() // at the same tip
		o.wantSince(before, penalties[0], penalties[2])
		o.pass(time.Hour)
		o.wantSince(before + 2)
	})
}

// Anybody may register, and make the tower track what no node accepts. A real
// breach must not stand in line behind that, nor may the node be kept busy.
func TestJunkDoesNotHoldARealPenaltyUp(t *testing.T) {
	const junk = 300
	inBubble(t, junk+1, func(o *office, disputes, penalties []*wire.MsgTx) {
		realID := penalties[junk].TxHash()
		o.chain.Refuse(func(tx chain.Tx) error {
			if tx.ID == realID {
				return nil
			}
			return errors.New("refused")
		})
		o.mine(disputes[:junk]...)
		before := len(o.chain.Published())
		o.mine(disputes[junk])
		if first := o.since(before)[0]; first != realID {
			t.Errorf("published %v first, want %v", first, realID)
		}
		before = len(o.chain.Published())
		o.pass(10 * time.Minute)
		if n := len(o.since(before)); n == 0 || n > 20*64 {
			t.Errorf("%d tries of %d refused penalties in ten minutes without a block", n, junk)
		}
	})
}

// A kill between a commit and its broadcast loses nothing.
func TestInvariant6APenaltyThatWasNotPublishedYetIsAtTheNextStart(t *testing.T) {
	inBubble(t, 1, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.halt()
		o.mine(disputes[0])
		o.wantSince(0)
		o.start()
		o.wantSince(0, penalties[0])
	})
}

func TestAStoreThatFailsAtTheStartDelaysThePenalties(t *testing.T) {
	inBubble(t, 1, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.mine(disputes[0])
		o.halt()
		before := len(o.chain.Published())
		ctx, cancel := context.WithCancel(o.t.Context())
		var work sync.WaitGroup
		p := responder.NewPublisher(&failing{Ledger: o.tower, times: 2}, o.chain, towertest.Quiet())
		work.Go(func() { p.Run(ctx) })
		synctest.Wait()
		o.wantSince(before)
		o.pass(time.Hour)
		o.wantSince(before, penalties[0])
		cancel()
		work.Wait()
	})
}

// failing is a ledger whose disk does not work at first.
type failing struct {
	responder.Ledger
	times int
}

func (f *failing) DuePenalties(ctx context.Context, scope responder.Scope, after int64, limit int) ([]responder.Tracker, chain.Header, error) {
	if f.times--; f.times >= 0 {
		return nil, chain.Header{}, errors.New("disk I/O error")
	}
	return f.Ledger.DuePenalties(ctx, scope, after, limit)
}

func TestADisputeThatAReorgTookOutIsPublishedFirst(t *testing.T) {
	inBubble(t, 1, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.mine(disputes[0]) // 2
		o.wantSince(0, penalties[0])
		o.reorg(1)
		o.wantSince(1, disputes[0], penalties[0])
		o.mine()
		o.wantSince(3, disputes[0], penalties[0])
		o.chain.Stall(chaintest.PublishCall, 1) // the dispute; not the penalty, too
		o.mine()
		o.pass(time.Minute)
		if o.since(5)[0] != penalties[0].TxHash() {
			t.Errorf("after a dispute that hangs: %v", o.since(5))
		}
		before := len(o.chain.Published())
		o.mine(disputes[0])
		o.wantSince(before, penalties[0])
	})
}

// A reorg while the backend takes its time must not get lost in the note of
// the try from before.
func TestAReorgDuringATryMakesItDueAgain(t *testing.T) {
	inBubble(t, 1, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.chain.Stall(chaintest.PublishCall, 1)
		o.mine(disputes[0]) // 2; its penalty hangs
		o.reorg(1)
		o.mine() // the same height
		o.wantSince(0)
		o.pass(31 * time.Second)
		o.wantSince(0, disputes[0], penalties[0])
	})
}

func TestManyPenaltiesGoOutInBatches(t *testing.T) {
	const many = 300
	inBubble(t, many, func(o *office, disputes, penalties []*wire.MsgTx) {
		o.mine(disputes...)
		o.wantSince(0, penalties...)
		o.mine(penalties[:many/2]...)
		o.wantSince(many, penalties[many/2:]...)
		if n := o.tracker(many).Tries; n != 2 {
			t.Errorf("%d tries are noted", n)
		}
	})
}

// The tower is no relay: what goes out spends a dispute, or is the dispute
// that a reorg took out.
func TestNothingElseIsEverPublished(t *testing.T) {
	inBubble(t, 3, func(o *office, disputes, penalties []*wire.MsgTx) {
		stranger := chaintest.Dispute(99)
		o.update(func(tx tower.Tx) error {
			o.appointment(tx, stranger, chaintest.Penalty(disputes[0], 7)) // spends something else
			return nil
		})
		o.mine(append(disputes, stranger)...)
		o.reorg(1)
		o.mine(disputes[0])
		o.mine()
		allowed := make(map[chainhash.Hash]bool)
		for i := range disputes {
			allowed[disputes[i].TxHash()], allowed[penalties[i].TxHash()] = true, true
		}
		for _, id := range o.since(0) {
			if !allowed[id] {
				t.Errorf("%v was published", id)
			}
		}
		if len(o.since(0)) < 3 {
			t.Error("nothing was published")
		}
	})
}
