package model

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/store"
	"vigil/internal/tower/towertest"
)

// rig is the real core and the reference over one world, in a bubble of its
// own time.
type rig struct {
	t      *testing.T
	dir    string
	starts int
	world  *world
	ref    *reference
	terms  tower.Terms
	hashes bool // the source tells hashes
	faulty bool // faults may befall calls
	events []*event
	sent   []sending
	heard  int                    // events that the reference has seen
	read   int                    // of sent
	last   map[string]sending     // of each transaction
	taken  map[chainhash.Hash]int // when the mempool last took each transaction, in events
	plans  []asked
	armed  bool // a transaction may fail
	lag    atomic.Int64
	slowed bool // there has been a lag
	*process
}

// process is what a crash takes away.
type process struct {
	db        *store.DB
	journal   *journal
	tower     *tower.Tower
	follower  *chain.Follower
	publisher *responder.Publisher
	cancel    context.CancelFunc
	work      sync.WaitGroup
}

// asked is an appointment that some user once handed in.
type asked struct {
	user int
	plan *plan
}

// hasher is a source that tells hashes, as bitcoind does.
type hasher struct{ line }

func (h hasher) BlockHash(ctx context.Context, height uint32) (chainhash.Hash, error) {
	raw, err := h.Block(ctx, height)
	if err == nil && len(raw) >= 80 {
		return chainhash.DoubleHashH(raw[:80]), nil
	}
	if err != nil && !errors.Is(err, chain.ErrPruned) {
		return chainhash.Hash{}, err
	}
	if best := h.Best(); height > best.Height {
		return chainhash.Hash{}, chain.ErrNoBlock
	}
	return h.At(height).Hash, nil
}

// termsOf picks terms at whose edges a short sequence arrives.
func termsOf(n uint32) tower.Terms {
	return tower.Terms{
		Terms: gatekeeper.Terms{
			Slots:    []uint32{3, 10, 1000, 3 << 30}[n%4],
			Duration: []uint32{12, 60, 4320, 4320}[n/4%4],
			Grace:    []uint32{0, 2, 6, 6}[n/16%4],
		},
		RecentBlocks: []uint32{0, 1, 6, 150}[n/64%4],
	}
}

func newRig(t *testing.T, dir string, config uint32) *rig {
	r := &rig{t: t, dir: dir, world: newWorld(), terms: termsOf(config), hashes: config/256%2 == 0, last: make(map[string]sending), taken: make(map[chainhash.Hash]int)}
	r.ref = newReference(r.world, r.terms)
	for range config/512%4*5 + 1 {
		r.world.mine()
	}
	return r
}

func (r *rig) file() string { return filepath.Join(r.dir, fmt.Sprintf("%d.db", r.starts)) }

func (r *rig) start() error {
	if r.process != nil {
		return nil
	}
	db, err := store.Open(r.t.Context(), r.file())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	j := &journal{Store: db, events: &r.events, sent: &r.sent, kill: cancel}
	p := &process{db: db, journal: j, cancel: cancel}
	p.tower = tower.New(towertest.Key(0), j, r.terms, towertest.Quiet())
	var source chain.Source = line{r.world.chain, r.world, j, &r.lag}
	if r.hashes {
		source = hasher{line{r.world.chain, r.world, j, &r.lag}}
	}
	p.publisher = responder.NewPublisher(p.tower, source, towertest.Quiet())
	p.tower.OnPenaltyDue(p.publisher.Wake)
	config := chain.Config{Network: "regtest", Poll: time.Minute, Log: towertest.Quiet()}
	if p.follower, err = chain.NewFollower(source, noted{p.tower}, config); err != nil {
		return err
	}
	r.events = append(r.events, &event{kind: starting, recent: r.terms.RecentBlocks})
	p.work.Go(func() { p.follower.Run(ctx) })
	p.work.Go(func() { p.publisher.Run(ctx) })
	r.process = p
	return nil
}

// crash ends the process as a kill would: what was written to its files up to
// now is what the next one finds, log of the database included.
func (r *rig) crash() error {
	if r.process == nil {
		return nil
	}
	p := r.process
	p.journal.mu.Lock()
	p.journal.dead = true
	p.journal.mu.Unlock()
	p.cancel()
	p.work.Wait()
	r.process = nil
	from := r.file()
	r.starts++
	err := errors.Join(snapshot(from, r.file()), p.db.Close())
	return errors.Join(err, os.Remove(from))
}

func snapshot(from, to string) error {
	for _, part := range []string{"", "-wal"} {
		b, err := os.ReadFile(from + part)
		if errors.Is(err, os.ErrNotExist) && part != "" {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(to+part, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until all is done that can be done, and compares.
func (r *rig) settle() error {
	if r.process == nil {
		return nil
	}
	wait(0)
	if r.journal.isDead() {
		return r.crash()
	}
	if err := r.catchUp(); err != nil {
		return err
	}
	var busy error
	for range 1000 { // minutes: a slow source is asked for some hundred blocks
		if busy = r.quiet(); busy == nil || r.faulty {
			break
		}
		if errors.Is(r.follower.Status().Err, chain.ErrDeepFork) && r.world.chain.Best().Height < r.ref.lowest().Height {
			r.world.mine() // behind a gap, what has shrunk below it must grow again
		}
		wait(time.Minute)
		if r.journal.isDead() {
			return r.crash()
		}
		if err := r.catchUp(); err != nil {
			return err
		}
	}
	if busy != nil && !r.faulty {
		return fmt.Errorf("stuck: %w", busy)
	}
	if busy == nil && !r.slowed { // a slow round may stand on what was shown long ago
		r.world.shown = append(r.world.shown[:0], r.world.chain.Best())
	}
	return r.compare()
}

// heal ends all faults.
func (r *rig) heal() {
	for _, c := range []chaintest.Call{chaintest.TipCall, chaintest.BlockCall, chaintest.PublishCall} {
		r.world.chain.Heal(c)
	}
	r.world.chain.SetNetwork("regtest")
	r.world.mu.Lock()
	clear(r.world.denied)
	r.world.mu.Unlock()
	r.world.chain.Refuse(r.world.judge)
	if r.process != nil {
		r.journal.arm(0, before, false)
	}
	r.faulty, r.armed = false, false
}

// wait lets time pass in the bubble, and all happen that it brings.
func wait(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
	synctest.Wait()
}

// end stops everything.
func (r *rig) end() error {
	if r.process == nil {
		return nil
	}
	r.cancel()
	r.work.Wait()
	return r.db.Close()
}
