package chain_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/store"
	"vigil/internal/tower/towertest"
)

// recent is for how many blocks back the rigs' towers take appointments.
const recent = 6

// window is how many headers a tower remembers.
const window = 144

// rig is a whole tower over a chain in memory, in a bubble of its own time.
type rig struct {
	t         *testing.T
	file      string
	chain     *chaintest.Chain
	source    chain.Source
	store     *store.DB
	tower     *tower.Tower
	follower  *chain.Follower
	publisher *responder.Publisher
	user      towertest.User
	log       strings.Builder
	recent    uint32
	stuck     atomic.Bool // nothing can be written
	halt      func()
}

// hasher is a source that tells hashes, also those of pruned blocks, as bitcoind does; a bare Chain does
// not, as lightningd.
type hasher struct{ *chaintest.Chain }

func (h hasher) BlockHash(ctx context.Context, height uint32) (chainhash.Hash, error) {
	if _, err := h.Block(ctx, height); err != nil && !errors.Is(err, chain.ErrPruned) {
		return chainhash.Hash{}, err
	}
	return h.At(height).Hash, nil
}

// inBubble runs a test twice, over a source of either kind, each with a chain
// of some blocks; the tower has not started yet.
func inBubble(t *testing.T, blocks int, f func(r *rig)) {
	t.Helper()
	t.Run("blocks only", func(t *testing.T) { inOneBubble(t, blocks, f) })
	t.Run("hashes, too", func(t *testing.T) {
		inOneBubble(t, blocks, func(r *rig) {
			r.source = hasher{r.chain}
			f(r)
		})
	})
}

// inOneBubble does so over a source of blocks only: for what is the same in
// either case.
func inOneBubble(t *testing.T, blocks int, f func(r *rig)) {
	t.Helper()
	file := towertest.File(t)
	synctest.Test(t, func(t *testing.T) {
		c := chaintest.New()
		c.MineEmpty(blocks)
		f(&rig{t: t, file: file, chain: c, source: c, user: towertest.NewUser(1, teos.V2), recent: recent})
	})
}

// start starts the tower on what is stored, and waits until it is up to date
// or can't go on.
func (r *rig) start() {
	r.t.Helper()
	var err error
	if r.store, err = store.Open(r.t.Context(), r.file); err != nil {
		r.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	terms := tower.Terms{
		Terms:        gatekeeper.Terms{Slots: 10_000, Duration: 4320, Grace: 6},
		RecentBlocks: r.recent,
	}
	r.tower = tower.New(towertest.Key(0), disk{r.store, &r.stuck}, terms, log)
	r.publisher = responder.NewPublisher(r.tower, r.source, log)
	r.tower.OnPenaltyDue(r.publisher.Wake)
	r.tower.OnUnrecorded(r.publisher.Unrecorded)
	config := chain.Config{Network: "regtest", Poll: time.Minute, Log: log}
	if r.follower, err = chain.NewFollower(r.source, r.tower, config); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	var work sync.WaitGroup
	work.Go(func() { r.follower.Run(ctx) })
	work.Go(func() { r.publisher.Run(ctx) })
	r.halt = func() { cancel(); work.Wait() }
	r.t.Cleanup(func() {
		if r.halt != nil {
			r.stop()
		}
	})
	synctest.Wait()
}

// stop stops it as a kill would, for all that the next start can see.
func (r *rig) stop() {
	r.t.Helper()
	r.halt()
	r.halt = nil
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

// settle hints at news and waits until all is done that can be done now.
func (r *rig) settle() {
	r.follower.Hint()
	synctest.Wait()
}

// pass lets time pass in the bubble, and all happen that it brings.
func (r *rig) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// wantTip checks that the tower is at the source's tip.
func (r *rig) wantTip() {
	r.t.Helper()
	tip, found, err := r.tower.Tip(r.t.Context())
	if err != nil || !found || tip.Hash != r.chain.Best().Hash || tip.Height != r.chain.Best().Height {
		r.t.Fatalf("tip %+v (%t, %v), want block %d; source: %v", tip, found, err, r.chain.Best().Height, r.follower.Status().Err)
	}
}

// wantHeight checks where the tower stands, wherever the source does.
func (r *rig) wantHeight(want uint32) {
	r.t.Helper()
	tip, found, err := r.tower.Tip(r.t.Context())
	if err != nil || !found || tip.Height != want {
		r.t.Fatalf("tip %d (%t, %v), want %d", tip.Height, found, err, want)
	}
}

func (r *rig) register() {
	r.t.Helper()
	if _, err := r.tower.Register(r.t.Context(), r.user.Register(r.t)); err != nil {
		r.t.Fatal(err)
	}
}

// breach is a dispute with its answer.
type breach struct {
	dispute, penalty *wire.MsgTx
	locator          teos.Locator
}

func newBreach(n uint32) breach {
	dispute := chaintest.Dispute(n)
	return breach{dispute, chaintest.Penalty(dispute, 0), teos.NewLocator(teos.V2, dispute.TxHash())}
}

// add hands the answer to the n-th breach in.
func (r *rig) add(n uint32) breach {
	r.t.Helper()
	b := newBreach(n)
	if _, err := r.tower.AddAppointment(r.t.Context(), r.user.Add(r.t, r.user.Appointment(b.dispute, b.penalty))); err != nil {
		r.t.Fatalf("appointment %d: %v", n, err)
	}
	synctest.Wait()
	return b
}

// get returns an appointment and what became of it.
func (r *rig) get(b breach) tower.Watched {
	r.t.Helper()
	w, err := r.tower.GetAppointment(r.t.Context(), r.user.Get(r.t, b.locator))
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

// state tells in a word or two what the tower knows of a breach.
func (r *rig) state(b breach) string {
	r.t.Helper()
	w := r.get(b)
	if !w.Triggered {
		return "watched"
	}
	if w.Tracker.Spend == responder.Unspent {
		return fmt.Sprintf("pending, dispute at %d", w.Tracker.DisputeAt)
	}
	return fmt.Sprintf("%v at %d", w.Tracker.Spend, w.Tracker.SpentAt)
}

func (r *rig) wantState(b breach, format string, args ...any) {
	r.t.Helper()
	if got, want := r.state(b), fmt.Sprintf(format, args...); got != want {
		r.t.Errorf("breach is %s, want %s", got, want)
	}
}

// published counts how often a transaction reached the backend.
func (r *rig) published(tx *wire.MsgTx) (n int) {
	for _, p := range r.chain.Published() {
		if p.Tx.ID == tx.TxHash() {
			n++
		}
	}
	return n
}

// wantWhole checks the headers that the tower remembers: they are the
// source's, without a hole, as many as there should be.
func (r *rig) wantWhole() {
	r.t.Helper()
	best := r.chain.Best().Height
	lowest := uint32(1)
	if best >= window {
		lowest = best - window + 1
	}
	for h := lowest; h <= best; h++ {
		got, found, err := r.tower.Header(r.t.Context(), h)
		if err != nil || !found || got.Hash != r.chain.At(h).Hash {
			r.t.Fatalf("header %d: %+v, %t, %v", h, got, found, err)
		}
	}
}
