package chain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/responder"
)

// mineAt mines a chain of ten blocks with these transactions at these heights.
func (r *rig) mineAt(txs map[uint32][]*wire.MsgTx) {
	for h := r.chain.Best().Height + 1; h <= 10; h++ {
		r.chain.Mine(txs[h]...)
	}
}

func TestInvariant4AnAppointmentMayComeAfterItsDispute(t *testing.T) {
	for depth := range uint32(recent + 1) {
		inOneBubble(t, 3, func(r *rig) {
			b, height := newBreach(1), 10-depth
			r.mineAt(map[uint32][]*wire.MsgTx{height: {b.dispute}})
			r.start()
			r.register()
			r.add(1)
			if depth == recent {
				r.wantState(b, "watched")
				return
			}
			r.wantState(b, "pending, dispute at %d", height)
			if n := r.published(b.penalty); n != 1 {
				t.Errorf("depth %d: the penalty was published %d times", depth, n)
			}
		})
	}
}

// An appointment that comes before the window is filled meets the block while
// it is filled.
func TestInvariant4AnAppointmentMayComeDuringTheFirstBackfill(t *testing.T) {
	for depth := range uint32(recent + 1) {
		inOneBubble(t, 3, func(r *rig) {
			b, height := newBreach(1), 10-depth
			r.mineAt(map[uint32][]*wire.MsgTx{height: {b.dispute}})
			r.serve(1, r.down)
			r.start()
			r.register()
			r.add(1)
			r.chain.Heal(chaintest.BlockCall)
			r.settle()
			r.wantState(b, "pending, dispute at %d", height)
			if n := r.published(b.penalty); n != 1 {
				t.Errorf("depth %d: the penalty was published %d times", depth, n)
			}
		})
	}
}

// What became of the dispute before the appointment came is found out.
func TestALateBreachIsJudgedByTheBlocksSince(t *testing.T) {
	b := newBreach(1)
	rival := chaintest.Penalty(b.dispute, 7)
	for name, c := range map[string]struct {
		blocks map[uint32][]*wire.MsgTx
		want   string
	}{
		"nothing yet":            {map[uint32][]*wire.MsgTx{6: {b.dispute}}, "pending, dispute at 6"},
		"penalty, same block":    {map[uint32][]*wire.MsgTx{6: {b.dispute, b.penalty}}, "confirmed at 6"},
		"penalty, next block":    {map[uint32][]*wire.MsgTx{6: {b.dispute}, 7: {b.penalty}}, "confirmed at 7"},
		"penalty, in the tip":    {map[uint32][]*wire.MsgTx{6: {b.dispute}, 10: {b.penalty}}, "confirmed at 10"},
		"rival, same block":      {map[uint32][]*wire.MsgTx{6: {b.dispute, rival}}, "rivalled at 6"},
		"rival, later":           {map[uint32][]*wire.MsgTx{6: {b.dispute}, 8: {rival}}, "rivalled at 8"},
		"all in the tip":         {map[uint32][]*wire.MsgTx{10: {b.dispute, b.penalty}}, "confirmed at 10"},
		"dispute alone, the tip": {map[uint32][]*wire.MsgTx{10: {b.dispute}}, "pending, dispute at 10"},
	} {
		t.Run(name, func(t *testing.T) {
			lates := []func(*rig){
				func(r *rig) { r.start(); r.register(); r.add(1) },
				func(r *rig) { // before anything but the tip is known
					r.serve(1, r.down)
					r.start()
					r.register()
					r.add(1)
					r.chain.Heal(chaintest.BlockCall)
				},
				func(r *rig) { // a block comes before the blocks since are looked at
					r.start()
					r.register()
					r.chain.Fail(chaintest.BlockCall, 1, errDown)
					r.add(1)
					r.settle()
					r.chain.MineEmpty(2)
				},
				func(r *rig) {
					r.start()
					r.register()
					r.down()
					r.add(1)
					r.restart()
					r.chain.Heal(chaintest.BlockCall)
				},
			}
			if strings.Contains(name, "same block") {
				lates = lates[:1]
			}
			for _, late := range lates {
				inOneBubble(t, 3, func(r *rig) {
					r.mineAt(c.blocks)
					late(r)
					r.pass(time.Hour)
					r.wantTip()
					r.wantState(b, "%s", c.want)
				})
			}
		})
	}
}

// The blocks since a late dispute change before they were looked at. A dispute of
// which no more than the id was seen, and that is out of the chain, is awaited
// like any other: nothing could tell that another transaction took its place.
func TestALateBreachAndAReorgBeforeTheRescan(t *testing.T) {
	b := newBreach(1)
	rival := chaintest.Penalty(b.dispute, 7)
	other := b.dispute.Copy()
	other.LockTime = 99 // spends the same, with another id
	for name, c := range map[string]struct {
		fork   uint32
		branch [][]*wire.MsgTx
		want   string
	}{
		"above all":                  {9, [][]*wire.MsgTx{{}, {}}, "confirmed at 8"},
		"the penalty is out":         {7, [][]*wire.MsgTx{{}, {}, {}, {}}, "pending, dispute at 6"},
		"the penalty comes later":    {7, [][]*wire.MsgTx{{}, {}, {b.penalty}, {}}, "confirmed at 10"},
		"a rival comes instead":      {7, [][]*wire.MsgTx{{}, {rival}, {}, {}}, "rivalled at 9"},
		"the dispute is out":         {5, [][]*wire.MsgTx{{}, {}, {}, {}, {}, {}}, "watched"},
		"the dispute is replaced":    {5, [][]*wire.MsgTx{{}, {other}, {}, {}, {}, {}}, "watched"},
		"the dispute comes later":    {5, [][]*wire.MsgTx{{}, {}, {b.dispute}, {}, {b.penalty}, {}}, "confirmed at 10"},
		"the dispute stays there":    {5, [][]*wire.MsgTx{{b.dispute}, {}, {b.penalty}, {}, {}, {}}, "confirmed at 8"},
		"a shorter branch":           {5, [][]*wire.MsgTx{{b.dispute}, {b.penalty}}, "confirmed at 7"},
		"the tip comes on the fork":  {6, [][]*wire.MsgTx{{b.penalty}}, "confirmed at 7"},
		"nothing but what was there": {6, nil, "pending, dispute at 6"},
	} {
		t.Run(name, func(t *testing.T) {
			inOneBubble(t, 3, func(r *rig) {
				r.mineAt(map[uint32][]*wire.MsgTx{6: {b.dispute}, 8: {b.penalty}})
				r.start()
				r.register()
				r.settle()
				r.down()
				r.add(1)
				r.settle()
				r.chain.Fork(c.fork)
				for _, txs := range c.branch {
					r.chain.Mine(txs...)
				}
				r.chain.Heal(chaintest.BlockCall)
				r.pass(time.Hour)
				r.wantTip()
				r.wantState(b, "%s", c.want)
			})
		})
	}
}

// An unhurried source: one more block each time that the rescan gets one.
func TestRescanAndNewBlocksInTurns(t *testing.T) {
	inBubble(t, 3, func(r *rig) {
		b := newBreach(1)
		r.mineAt(map[uint32][]*wire.MsgTx{5: {b.dispute}})
		r.start()
		r.register()
		r.settle()
		r.down()
		r.add(1)
		for h := 11; h < 20; h++ {
			r.settle()
			r.chain.Heal(chaintest.BlockCall)
			r.serve(2, r.down)
			if h == 13 {
				r.chain.Mine(b.penalty)
			} else {
				r.chain.MineEmpty(1)
			}
		}
		r.chain.Heal(chaintest.BlockCall)
		r.pass(time.Hour)
		r.wantTip()
		r.wantState(b, "confirmed at 13")
	})
}

func TestAReorgMakesPenaltiesDueAgain(t *testing.T) {
	b := newBreach(1)
	inBubble(t, 5, func(r *rig) {
		r.start()
		r.register()
		r.add(1)
		r.chain.Mine(b.dispute) // 6
		r.settle()
		r.chain.Mine(b.penalty) // 7
		r.settle()
		r.wantState(b, "confirmed at 7")
		before := r.published(b.penalty)

		r.chain.Fork(6)
		r.chain.DropMempool()
		r.chain.MineEmpty(1)
		r.settle()
		r.wantState(b, "pending, dispute at 6")
		if r.published(b.penalty) == before {
			t.Error("a penalty that a reorg took out was not published again")
		}
		if n := r.published(b.dispute); n != 0 {
			t.Errorf("a dispute that is in the chain was published %d times", n)
		}

		r.chain.Fork(5)
		r.chain.DropMempool()
		r.chain.MineEmpty(3)
		r.settle()
		r.wantState(b, "pending, dispute at 0")
		if n := len(r.chain.Mempool()); n != 2 || r.published(b.dispute) == 0 {
			t.Errorf("dispute and penalty should be in the mempool: %d are", n)
		}
		r.chain.MineMempool() // 9
		r.settle()
		r.wantState(b, "confirmed at 9")
	})
}

func TestADisputeThatIsReplaced(t *testing.T) {
	b := newBreach(1)
	other := b.dispute.Copy()
	other.LockTime = 99 // spends the same, with another id
	inBubble(t, 5, func(r *rig) {
		r.start()
		r.register()
		r.add(1)
		r.chain.Mine(b.dispute) // 6
		r.settle()
		was := r.chain.Fork(5)
		r.chain.Mine(other)
		rivals := r.chain.MineEmpty(1)
		r.settle()
		r.wantState(b, "replaced at 6")
		published := r.published(b.penalty)
		r.chain.Switch(was)
		r.settle()
		r.wantState(b, "pending, dispute at 6")
		if r.published(b.penalty) == published {
			t.Error("the dispute is back and its penalty was not published")
		}
		r.chain.Switch(rivals) // 7
		r.chain.MineEmpty(responder.Burial - 3)
		r.settle()
		r.wantState(b, "replaced at 6") // 99 deep
		r.chain.MineEmpty(1)
		r.settle()
		r.wantState(b, "watched")
		// It is no breach that was lost, and is watched on.
		if stats := r.stats(); stats.Lost+stats.Resolved != 0 {
			t.Errorf("resolved: %+v", stats)
		}
	})
}

func TestAGapDoesNotStopAWholeTower(t *testing.T) {
	// A late breach, and a gap before the blocks since were looked at.
	b := newBreach(1)
	inBubble(t, 3, func(r *rig) {
		r.mineAt(map[uint32][]*wire.MsgTx{7: {b.dispute}})
		r.start()
		r.register()
		r.settle()
		r.down()
		r.add(1)
		r.stop()
		r.chain.Heal(chaintest.BlockCall)
		r.chain.MineEmpty(20)
		r.chain.Prune(25)
		r.chain.Mine(b.penalty) // 31
		r.start()
		r.pass(time.Hour)
		r.wantTip()
		r.wantState(b, "confirmed at 31")
		if err := r.follower.Status().Err; err != nil {
			t.Error(err)
		}
	})
}
