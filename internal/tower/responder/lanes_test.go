package responder_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
)

const lanes = 8

// manyLanes is a backend that takes several transactions at once. It holds each one
// back until all lanes are taken, or the test opens the gate.
type manyLanes struct {
	*chaintest.Chain
	mu       sync.Mutex
	gate     chan struct{}
	inFlight map[chainhash.Hash]int
	most     int
	twice    bool // one was under way twice at once
	panics   bool
}

func newManyLanes(c *chaintest.Chain) *manyLanes {
	return &manyLanes{Chain: c, gate: make(chan struct{}), inFlight: map[chainhash.Hash]int{}}
}

func (w *manyLanes) Lanes() int { return lanes }

func (w *manyLanes) Publish(ctx context.Context, raw []byte) error {
	if w.panics {
		panic("a defect")
	}
	id := chainhash.HashH(raw)
	gate := w.enter(id)
	defer w.leave(id)
	select {
	case <-gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	return w.Chain.Publish(ctx, raw)
}

func (w *manyLanes) enter(id chainhash.Hash) (gate chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight[id]++
	w.twice = w.twice || w.inFlight[id] > 1
	w.most = max(w.most, len(w.inFlight))
	gate = w.gate
	if len(w.inFlight) == lanes {
		close(w.gate)
		w.gate = make(chan struct{})
	}
	return gate
}

func (w *manyLanes) leave(id chainhash.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inFlight[id]--; w.inFlight[id] == 0 {
		delete(w.inFlight, id)
	}
}

// open lets go what is held back and waits for what that sets off, until no
// more comes.
func (w *manyLanes) open() {
	for {
		synctest.Wait()
		w.mu.Lock()
		waits := len(w.inFlight)
		close(w.gate)
		w.gate = make(chan struct{})
		w.mu.Unlock()
		if waits == 0 {
			return
		}
	}
}

// overManyLanes runs a test in an office whose publisher works over many lanes
// and begins when the test says so.
func overManyLanes(t *testing.T, f func(o *office, w *manyLanes, start func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &office{bench: newBench(t)}
		terms := tower.Terms{Terms: gatekeeper.Terms{Slots: 1, Duration: 1}, RecentBlocks: 6}
		o.tower = tower.New(towertest.Key(0), o.store, terms, towertest.Quiet())
		if err := o.tower.Begin(t.Context(), o.chain.Mine()); err != nil {
			t.Fatal(err)
		}
		w := newManyLanes(o.chain)
		p := responder.NewPublisher(o.tower, w, towertest.Quiet())
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		o.halt = func() { cancel(); work.Wait() }
		f(o, w, func() { work.Go(func() { p.Run(ctx) }); synctest.Wait() })
		o.halt()
	})
}

func TestSeveralPenaltiesAtOnce(t *testing.T) {
	overManyLanes(t, func(o *office, w *manyLanes, start func()) {
		var want []*wire.MsgTx
		for n := range uint32(100) {
			_, _, penalty := o.track(n, 1)
			want = append(want, penalty)
		}
		start()
		w.open()
		if w.most != lanes || w.twice {
			t.Errorf("%d at once, one twice: %t; want %d", w.most, w.twice, lanes)
		}
		times := map[chainhash.Hash]int{}
		for _, id := range o.since(0) {
			times[id]++
		}
		for _, penalty := range want {
			if times[penalty.TxHash()] != 1 {
				t.Errorf("a penalty was published %d times", times[penalty.TxHash()])
			}
		}
	})
}

// trackFor stores a breach for the n-th user.
func (b *bench) trackFor(n byte, dispute, penalty *wire.MsgTx) (row int64) {
	b.t.Helper()
	before := b.user
	defer func() { b.user = before }()
	b.user = towertest.NewUser(n, teos.V2)
	b.update(func(tx tower.Tx) error {
		if err := tx.PutUser(gatekeeper.User{ID: b.user.ID(), Dialect: teos.V2, Expiry: 1000}); err != nil {
			return err
		}
		row = b.appointment(tx, dispute, penalty)
		return responder.Track(tx, row, towertest.Tx(dispute), 1, towertest.Tx(penalty))
	})
	return row
}

// What many users hand in is sent once, also where it is refused.
func TestTwinsAreSentOnceThroughManyLanes(t *testing.T) {
	for name, judge := range map[string]error{"taken": nil, "refused": errors.New("no")} {
		t.Run(name, func(t *testing.T) {
			overManyLanes(t, func(o *office, w *manyLanes, start func()) {
				dispute := chaintest.Dispute(1)
				penalty := chaintest.Penalty(dispute, 0)
				var rows []int64
				for n := range byte(20) {
					rows = append(rows, o.trackFor(n+50, dispute, penalty))
				}
				_, _, other := o.track(2, 1)
				o.chain.Refuse(func(chain.Tx) error { return judge })
				start()
				w.open()
				if got := o.since(0); len(got) != 2 || got[0] == got[1] || w.twice {
					t.Fatalf("published %v, twice at once: %t; want %v and %v", got, w.twice, penalty.TxHash(), other.TxHash())
				}
				for _, row := range rows {
					if tr := o.tracker(row); tr.Tries != 1 || tr.Accepted != (judge == nil) {
						t.Errorf("row %d: %d tries, accepted: %t", row, tr.Tries, tr.Accepted)
					}
				}
			})
		})
	}
}

// A dispute that a reorg took out goes before its penalty, in whatever lane.
func TestDisputesGoFirstThroughManyLanes(t *testing.T) {
	overManyLanes(t, func(o *office, w *manyLanes, start func()) {
		for n := range uint32(30) {
			o.track(n, 1)
		}
		o.update(func(tx tower.Tx) error { return tx.UndoAbove(0) })
		start()
		w.open()
		at := map[chainhash.Hash]int{}
		for i, id := range o.since(0) {
			at[id] = i + 1
		}
		for n := range uint32(30) {
			dispute := chaintest.Dispute(n)
			first, second := at[dispute.TxHash()], at[chaintest.Penalty(dispute, 0).TxHash()]
			if first == 0 || second < first {
				t.Errorf("breach %d: dispute at %d, penalty at %d", n, first, second)
			}
		}
	})
}

// A stop in the middle waits for every lane, and notes no try that got no
// answer.
func TestStopWithLanesFull(t *testing.T) {
	overManyLanes(t, func(o *office, w *manyLanes, start func()) {
		var rows []int64
		for n := range uint32(lanes - 1) {
			row, _, _ := o.track(n, 1)
			rows = append(rows, row)
		}
		start()
		if w.most != lanes-1 {
			t.Fatalf("%d at once", w.most)
		}
		o.halt()
		if len(w.inFlight) != 0 {
			t.Errorf("%d calls outlived their publisher", len(w.inFlight))
		}
		for _, row := range rows {
			if tr := o.tracker(row); tr.Tries != 0 {
				t.Errorf("row %d: %d tries", row, tr.Tries)
			}
		}
	})
}

// A panic in a lane is one of Run: who runs it guards against that.
func TestPanicInALane(t *testing.T) {
	o := newBench(t)
	terms := tower.Terms{Terms: gatekeeper.Terms{Slots: 1, Duration: 1}, RecentBlocks: 6}
	guard := tower.New(towertest.Key(0), o.store, terms, towertest.Quiet())
	if err := guard.Begin(t.Context(), o.chain.Mine()); err != nil {
		t.Fatal(err)
	}
	o.track(1, 1)
	w := newManyLanes(o.chain)
	w.panics = true
	defer func() {
		if r := fmt.Sprint(recover()); !strings.HasPrefix(r, "a defect\n") {
			t.Errorf("recovered %.100s", r)
		}
	}()
	responder.NewPublisher(guard, w, towertest.Quiet()).Run(t.Context())
}
