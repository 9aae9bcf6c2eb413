package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/inspector"
	"vigil/internal/bitcoind"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/store"
	"vigil/internal/towerrpc"
	"vigil/internal/tuning"
	"vigil/towerapi"
)

// Names in the data directory.
const (
	storeFile   = "tower.sqlite"
	reserveFile = "reserve"
	markFile    = "tower_id"
	socketFile  = "vigil.sock"
	lockFile    = "lock"
	keyFile     = "tower.key"
)

// maxStack is how much of a panic's stack is logged, in bytes.
const maxStack = 4096

// stopCalls is how long calls of the inner door may take to end at a stop.
const stopCalls = 5 * time.Second

// daemon is a whole tower: the core, its inner door and its HTTP door. What
// differs from one way to run it to another is given to it.
type daemon struct {
	settings settings
	log      *slog.Logger
	// inNode says that the key comes from lightningd, and is in no file.
	inNode bool
	// key gives the tower's key; it may ask lightningd for it.
	key func(ctx context.Context) (*btcec.PrivateKey, error)
	// source is where blocks come from and penalties go.
	source chain.Source
	// pair is the source where that is two backends, else nil.
	pair *chain.Pair
	poll time.Duration
	// tryOut asks bitcoind what it would make of a transaction; nil where there
	// is none.
	tryOut func(ctx context.Context, tx []byte) (string, error)
	// zmq is how bitcoind tells of blocks over ZMQ; nil where it is not to.
	zmq *bitcoind.Subscription
	// hints calls wake when there may be a new block, until ctx ends.
	hints func(ctx context.Context, wake func())
	// tells says whether bitcoind tells of blocks now; nil where it is not asked to.
	tells func() bool
	// tell sends a notification to other plugins, and returns once it is sent;
	// nil where there are none.
	tell func(ctx context.Context, topic string, payload any) error
	// ready is called with the client of the inner door once it is open,
	// and with nil before it closes.
	ready func(*towerrpc.Client)
	// watch is who looks after the tower.
	watch *watch

	store *store.DB // while it is open
}

// run runs the tower until ctx ends and returns after everything it started
// has ended. It ends in the order that the design gives: the HTTP door drains,
// the inner door stops, the chain is let go, the store closes.
func (d *daemon) run(ctx context.Context) (err error) {
	tuning.SpareProcessor()
	tuning.HoldHeap()
	defer func() { err = d.settings.advised(err) }()
	if err := os.MkdirAll(d.settings.dataDir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", errDataDir, err)
	}
	unlock, err := lockDir(d.path(lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.missing(); err != nil {
		return err
	}
	key, err := d.key(ctx)
	if err != nil {
		return fmt.Errorf("get the tower's key: %w", err)
	}
	db, err := store.Open(ctx, d.path(storeFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	d.store = db
	db.OnCommit(d.watch.metrics.Commit)
	t := tower.New(key, d.watch.metrics.Store(db), d.settings.terms, d.log)
	d.keepReserve(t)
	if err := t.Claim(ctx, d.settings.network); err != nil {
		return err
	}
	if err := t.EndProbe(ctx); err != nil {
		d.log.Warn("what a self-test left could not be removed now", "err", err)
	}
	d.mark(t.ID())
	return d.follow(ctx, t)
}

// keepReserve takes room on the disk for what must not fail. A disk that is
// full already does not stop the tower.
func (d *daemon) keepReserve(t *tower.Tower) {
	if d.settings.reserve == 0 {
		_ = os.Remove(d.path(reserveFile)) // there may be one from before
		return
	}
	reserve := store.NewReserve(d.path(reserveFile), d.settings.reserve)
	if err := reserve.Hold(); err != nil {
		d.log.Error("new appointments are refused until there is room on the disk", "err", err)
	}
	t.KeepReserve(reserve)
}

func (d *daemon) path(name string) string { return filepath.Join(d.settings.dataDir, name) }

// follow keeps the tower on the chain while its doors are open.
func (d *daemon) follow(ctx context.Context, t *tower.Tower) error {
	follower, err := chain.NewFollower(d.source, d.watch.metrics.Follow(t), chain.Config{
		Network: d.settings.network, Poll: d.poll, Log: d.log, Other: d.settings.otherNetwork,
	})
	if err != nil {
		return err
	}
	publisher := responder.NewPublisher(t, d.source, d.log)
	publisher.OnTry(d.watch.metrics.Broadcast)
	notifier := &notifier{tower: t, follower: follower, tell: d.tell, log: d.log, wake: make(chan struct{}, 1)}
	t.OnPenaltyDue(func() { publisher.Wake(); notifier.Wake() })
	t.OnUnrecorded(publisher.Unrecorded)

	// Not ctx: the chain is followed until the doors are closed.
	chainCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ctx, fail := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	parts.Go(d.part(fail, "following the chain", func() { follower.Run(chainCtx) }))
	parts.Go(d.part(fail, "publishing", func() { publisher.Run(chainCtx) }))
	if d.tell != nil {
		parts.Go(d.part(fail, "telling other plugins", func() { notifier.run(chainCtx) }))
	}
	if d.hints != nil {
		parts.Go(d.part(fail, "hearing of blocks", func() { d.hints(chainCtx, follower.Hint) }))
	}
	err = d.openInner(ctx, t, follower)
	if cause := context.Cause(ctx); errors.Is(cause, errDefect) {
		err = errors.Join(cause, err)
	}
	return err
}

// errDefect says that a part of the tower panicked.
var errDefect = errors.New("a defect of ours stopped the tower")

// part runs a part of the tower and ends all of it where the part panics: a
// tower without one of its parts must not look like one that guards. Whoever
// runs the daemon starts it again.
func (d *daemon) part(fail context.CancelCauseFunc, what string, run func()) func() {
	return func() {
		defer func() {
			if r := recover(); r != nil {
				stack := debug.Stack()
				d.log.Error("a defect of ours", "while", what, "panic", r, "stack", string(stack[:min(len(stack), maxStack)]))
				fail(fmt.Errorf("%w while %s: %v", errDefect, what, r))
			}
		}()
		run()
	}
}

// openInner serves the inner door, and behind it the HTTP door, until ctx ends.
func (d *daemon) openInner(ctx context.Context, t *tower.Tower, f *chain.Follower) error {
	check := inspector.New(d.settings.limits)
	core := &core{Tower: t, follower: f, daemon: d, started: time.Now()}
	server := towerrpc.NewServer(core, core, check, d.log)
	core.inner = server.Client()
	server.OnCall(d.watch.asked)
	d.watch.Open(core)
	defer d.watch.Close(errStopping)
	listener, err := towerrpc.Listen(d.path(socketFile))
	if err != nil {
		return err
	}
	apiCtx, cancelAPI := context.WithCancel(ctx)
	defer cancelAPI()
	served := make(chan error, 1)
	go func() {
		defer cancelAPI() // without its socket nobody can ask how the tower is
		served <- server.Serve(listener)
	}()

	err = d.openAPI(apiCtx, check, core, core.inner)

	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopCalls)
	defer cancel()
	server.Stop(stopCtx)
	return errors.Join(err, <-served)
}

// errStopping is why there is no tower to look after.
var errStopping = errors.New("it is stopping")

// openAPI serves the HTTP door, by every way that leads to it, until ctx ends.
func (d *daemon) openAPI(ctx context.Context, check *inspector.Inspector, core *core, client *towerrpc.Client) error {
	d.ready(client)
	defer d.ready(nil)
	reach := newReach(d.settings, d.path, core.api.Load, d.log)
	api := towerapi.New(client, check, towerapi.Config{
		Bind: d.settings.api.bind, TLS: reach.tls(), Codes: d.settings.api.codes,
		TrustedProxies: d.settings.api.proxies, Log: d.log,
		Onion: d.settings.reach.tor != nil, Served: d.watch.served,
	})
	core.api.Store(api)
	core.reach.Store(reach)
	d.log.Info("the tower has started", "tower_id", core.ID(), "network", directoryOf(d.settings.network),
		"version", version, "data", d.settings.dataDir)
	ctx, fail := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer fail(nil)
	parts.Go(d.part(fail, "looking whether it guards", func() { core.tellOnceGuarding(ctx) }))
	if reach.onion != nil {
		parts.Go(d.part(fail, "offering the onion service", func() { reach.onion.Run(ctx) }))
	}
	err := api.Run(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errDefect) {
		err = errors.Join(cause, err)
	}
	return err
}
