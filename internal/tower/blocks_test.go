package tower_test

import (
	"strings"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
)

func (b *bench) get(u towertest.User, n uint32) tower.Watched {
	b.t.Helper()
	w, err := b.GetAppointment(b.t.Context(), u.Get(b.t, appointment(u, n, 0).Locator))
	b.must(err)
	return w
}

func TestABreachIsAnsweredForEveryUser(t *testing.T) {
	b := newBench(t)
	for _, u := range []towertest.User{alice, bob} {
		b.register(u)
		b.add(u, appointment(u, 1, 0))
	}
	due := b.due
	dispute := chaintest.Dispute(1)
	b.mine(dispute)
	if b.due == due {
		t.Error("nobody was told that penalties are due")
	}
	trackers, tip, err := b.DuePenalties(t.Context(), responder.AtBlock, 0, 10)
	b.must(err)
	if len(trackers) != 2 || tip.Height != 11 {
		t.Errorf("%d penalties are due at %d", len(trackers), tip.Height)
	}
	for _, u := range []towertest.User{alice, bob} {
		w := b.get(u, 1)
		if !w.Triggered || w.Tracker.Dispute.ID != dispute.TxHash() || w.Tracker.Penalty.ID != chaintest.Penalty(dispute, 0).TxHash() {
			t.Errorf("%v: %+v", u.Dialect, w)
		}
		_, err := b.AddAppointment(t.Context(), u.Add(t, appointment(u, 1, 5000)))
		b.wantCause(err, teos.AlreadyTriggered, u.Dialect)
		b.wantSlots(u, slots-1, slots)
	}
}

func TestALateAppointmentIsAnsweredInItsOwnTransaction(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.mine(chaintest.Dispute(1))
	b.mineEmpty(recent - 1)
	due := b.due
	accepted := b.add(alice, appointment(alice, 1, 0))
	if accepted.StartBlock != 10+recent || b.due != due+1 {
		t.Errorf("accepted %+v; due %d times", accepted, b.due-due)
	}
	if w := b.get(alice, 1); !w.Triggered || w.Tracker.DisputeAt != 11 {
		t.Errorf("%+v", w.Tracker)
	}
	_, err := b.AddAppointment(t.Context(), alice.Add(t, appointment(alice, 1, 0)))
	b.wantCause(err, teos.AlreadyTriggered, teos.V2)
}

// One who can't answer pays like anyone, and may come back with what can.
func TestJunkIsStoredAndMayBeMended(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	junk := appointment(alice, 1, 0)
	junk.EncryptedBlob = make([]byte, 300)
	b.add(alice, junk)
	b.mine(chaintest.Dispute(1))
	if w := b.get(alice, 1); w.Triggered {
		t.Error("junk was answered")
	}
	b.add(alice, junk)
	junk.EncryptedBlob[0] = 1
	b.add(alice, junk)
	b.wantSlots(alice, slots-1, slots)
	b.add(alice, appointment(alice, 1, 0))
	if w := b.get(alice, 1); !w.Triggered {
		t.Error("the mended appointment was not answered")
	}
}

func TestInvariant5AResolvedBreachGivesItsSlotsBack(t *testing.T) {
	for name, c := range map[string]struct {
		spend          uint32 // Penalty's n
		resolved, lost uint64
	}{"penalty": {0, 1, 0}, "rival": {7, 0, 1}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.register(alice)
			b.register(alice) // until block 110
			b.register(alice) // until block 160
			dispute := chaintest.Dispute(1)
			b.add(alice, appointment(alice, 1, 0))
			b.add(alice, appointment(alice, 2, 3000))
			b.mine(dispute)
			b.mine(chaintest.Penalty(dispute, c.spend)) // 12
			b.mineEmpty(98)                             // 110: 99 deep
			if w := b.get(alice, 1); w.Tracker.SpentAt != 12 {
				t.Errorf("at 99 deep: %+v", w.Tracker)
			}
			b.wantSlots(alice, 3*slots-3, 3*slots)
			b.mine()
			_, err := b.GetAppointment(t.Context(), alice.Get(t, appointment(alice, 1, 0).Locator))
			b.wantCause(err, teos.NotFound, teos.V2)
			b.wantSlots(alice, 3*slots-2, 3*slots)
			info, err := b.Info(t.Context())
			b.must(err)
			if info.Resolved != c.resolved || info.Lost != c.lost || info.Pending+info.Confirmed+info.Rivalled != 0 {
				t.Errorf("info %+v", info.Stats)
			}
			b.add(alice, appointment(alice, 1, 0)) // it may start anew
		})
	}
}

func TestAnEndedSubscriptionIsDeletedAfterItsGrace(t *testing.T) {
	b := newBench(t)
	b.register(alice) // until 60
	b.add(alice, appointment(alice, 1, 0))
	b.mineEmpty(49) // 59
	b.wantSlots(alice, slots-1, slots)
	b.mine()
	for name, call := range map[string]func() error{
		"add": func() error {
			_, err := b.AddAppointment(t.Context(), alice.Add(t, appointment(alice, 2, 0)))
			return err
		},
		"get": func() error {
			_, err := b.GetAppointment(t.Context(), alice.Get(t, appointment(alice, 1, 0).Locator))
			return err
		},
		"get info": func() error { _, err := b.GetSubscriptionInfo(t.Context(), alice.Subscription(t)); return err },
	} {
		t.Run(name, func(t *testing.T) { b.wantCause(call(), teos.SubscriptionOver, teos.V2) })
	}
	b.mineEmpty(grace - 1) // 65: watched still
	b.register(alice)
	b.wantSlots(alice, 2*slots-1, 2*slots)
	b.mineEmpty(duration + grace - 1)
	b.must(b.Connect(t.Context(), b.chain.Mine(chaintest.Dispute(2))))
	_, err := b.GetSubscriptionInfo(t.Context(), alice.Subscription(t))
	b.wantCause(err, teos.AuthenticationFailed, 0)
	if r := b.register(alice); r.Slots != slots {
		t.Errorf("a user who comes anew has %d slots", r.Slots)
	}
}

// The last block of the grace is watched whole.
func TestABreachInTheLastBlockOfTheGraceIsAnswered(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.add(alice, appointment(alice, 1, 0))
	b.add(alice, appointment(alice, 2, 3000))
	b.mineEmpty(duration + grace - 1)
	b.mine(chaintest.Dispute(1)) // 66
	due, _, err := b.DuePenalties(t.Context(), responder.AtBlock, 0, 10)
	b.must(err)
	if len(due) != 1 {
		t.Fatalf("%d penalties are due", len(due))
	}
	b.register(alice)
	towertest.CheckSlots(t, b.store, alice.ID(), 2*slots)
	b.wantSlots(alice, 2*slots-1, 2*slots)
}

func TestInvariant1ABlockThatFailsLeavesNothing(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.add(alice, appointment(alice, 1, 0))
	next := b.chain.Mine(chaintest.Dispute(1))
	after := b.chain.Mine()
	for name, err := range map[string]error{
		"not next":       b.Connect(t.Context(), after),
		"the tip again":  b.Connect(t.Context(), b.chain.At(10)),
		"no tip below":   b.Backfill(t.Context(), b.chain.At(8)),
		"not the lowest": b.Backfill(t.Context(), next),
		"unknown":        b.Rescan(t.Context(), next),
	} {
		if err == nil || !strings.Contains(err.Error(), "does not follow") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b.get(alice, 1).Triggered {
		t.Error("a refused block triggered")
	}
	b.must(b.Connect(t.Context(), next))
	if !b.get(alice, 1).Triggered {
		t.Error("the block after the tip did not trigger")
	}
	b.chain.Fork(11)
	rival := b.chain.Mine()
	b.must(b.Connect(t.Context(), rival))
	if err := b.Connect(t.Context(), after); err == nil {
		t.Error("a block of another branch was connected")
	}
}

func TestInvariant6TheNextStartContinues(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	accepted := b.add(alice, appointment(alice, 1, 0))
	b.add(alice, appointment(alice, 2, 0))
	b.mine(chaintest.Dispute(1))
	b.open() // a second tower over the same file: nothing of the first one is known
	due, tip, err := b.DuePenalties(t.Context(), responder.All, 0, 10)
	b.must(err)
	if len(due) != 1 || tip.Height != 11 {
		t.Errorf("%d due at %d", len(due), tip.Height)
	}
	if again := b.add(alice, appointment(alice, 2, 0)); again.StartBlock != accepted.StartBlock {
		t.Errorf("the receipt changed: %+v", again)
	}
	b.mine(chaintest.Dispute(2))
	if !b.get(alice, 2).Triggered {
		t.Error("the next start does not watch")
	}
}

func TestBeginInPlaceOfTheLowest(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.add(alice, appointment(alice, 1, 0))
	dispute := chaintest.Dispute(1)
	b.mine(dispute)
	b.mine(chaintest.Penalty(dispute, 0)) // 12
	b.chain.Fork(7)
	b.chain.MineEmpty(3)
	b.must(b.Begin(t.Context(), b.chain.Best())) // 10 again
	w := b.get(alice, 1)
	if w.Tracker.DisputeAt != 0 || w.Tracker.Spend != responder.Unspent || w.Tracker.Judged != 10 {
		t.Errorf("tracker %+v", w.Tracker)
	}
	if tip, _, err := b.Tip(t.Context()); err != nil || tip.Hash != b.chain.Best().Hash {
		t.Errorf("tip %+v, %v", tip, err)
	}
	if info, err := b.Info(t.Context()); err != nil || len(info.Blind) != 0 {
		t.Errorf("blind %v, %v", info.Blind, err)
	}
	b.mine(dispute, chaintest.Penalty(dispute, 0))
	if w := b.get(alice, 1); w.Tracker.SpentAt != 11 || w.Tracker.DisputeAt != 11 {
		t.Errorf("tracker %+v", w.Tracker)
	}
}

func TestBeginBehindAGap(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.add(alice, appointment(alice, 1, 0))
	b.mine(chaintest.Dispute(1)) // 11
	b.chain.MineEmpty(8)
	b.must(b.Begin(t.Context(), b.chain.Best())) // 19
	info, err := b.Info(t.Context())
	b.must(err)
	if len(info.Blind) != 1 || info.Blind[0] != (tower.Range{From: 12, To: 18}) || info.Height != 19 {
		t.Errorf("info %+v", info)
	}
	if _, wanted, err := b.WantsOlder(t.Context()); err != nil || wanted {
		t.Errorf("what is gone is wanted: %v", err)
	}
	if young, err := b.Young(t.Context()); err != nil || !young {
		t.Errorf("young: %t, %v", young, err)
	}
	b.mine(chaintest.Penalty(chaintest.Dispute(1), 0))
	if w := b.get(alice, 1); w.Tracker.SpentAt != 20 {
		t.Errorf("tracker %+v", w.Tracker)
	}
}

// At low heights nothing may wrap around.
func TestFromTheGenesisBlock(t *testing.T) {
	b := &bench{t: t, file: towertest.File(t), chain: chaintest.New()}
	b.open()
	b.must(b.Begin(t.Context(), b.chain.Best()))
	b.register(alice)
	b.add(alice, appointment(alice, 1, 0))
	if _, wanted, err := b.WantsOlder(t.Context()); wanted || err != nil {
		t.Errorf("a block below the first is wanted: %v", err)
	}
	b.mine(chaintest.Dispute(1))
	if w := b.get(alice, 1); !w.Triggered || w.Tracker.DisputeAt != 1 {
		t.Errorf("tracker %+v", w.Tracker)
	}
	b.add(alice, appointment(alice, 2, 0))
	b.must(b.Disconnect(t.Context(), 0))
	b.chain.Fork(0)
	b.mine(chaintest.Dispute(2))
	for n, at := range map[uint32]uint32{1: 0, 2: 1} {
		if w := b.get(alice, n); w.Tracker.DisputeAt != at {
			t.Errorf("dispute %d at %d, want %d", n, w.Tracker.DisputeAt, at)
		}
	}
	if _, wanted, err := b.WantsRescan(t.Context()); wanted || err != nil {
		t.Errorf("a rescan is wanted: %v", err)
	}
	b.mineEmpty(8)
}

// A locator may name the coinbase of the genesis block: a tracker from there
// on has no block before it to be judged up to.
func TestADisputeInTheGenesisBlock(t *testing.T) {
	b := &bench{t: t, file: towertest.File(t), chain: chaintest.New()}
	b.open()
	genesis := b.chain.Best()
	b.must(b.Begin(t.Context(), genesis))
	b.register(alice)
	id := genesis.Txs[0].ID
	penalty := wire.NewMsgTx(2)
	penalty.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&id, 0), nil, nil))
	penalty.AddTxOut(wire.NewTxOut(1, []byte{0x51}))
	penalty.AddTxOut(wire.NewTxOut(1, []byte{0x51}))
	a := teos.Appointment{
		Locator: teos.NewLocator(teos.V2, id), ToSelfDelay: towertest.MinDelay,
		EncryptedBlob: teos.EncryptBlob(teos.V2, id, chaintest.Bytes(penalty)),
	}
	b.add(alice, a)
	b.mine(penalty)
	w, err := b.GetAppointment(t.Context(), alice.Get(t, a.Locator))
	b.must(err)
	if w.Tracker.SpentAt != 1 || w.Tracker.Spend != responder.ByPenalty {
		t.Errorf("tracker %+v", w.Tracker)
	}
}

func TestTheWindowIsBounded(t *testing.T) {
	b := newBench(t)
	b.mineEmpty(150) // 160
	for height, want := range map[uint32]bool{16: false, 17: true, 160: true} {
		if _, found, err := b.Header(t.Context(), height); err != nil || found != want {
			t.Errorf("header %d: %t, %v", height, found, err)
		}
	}
	info, err := b.Info(t.Context())
	b.must(err)
	if info.RecentFrom != 160-recent+1 || info.Height != 160 {
		t.Errorf("info %+v", info)
	}
}
