package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/store"
	"vigil/internal/towerrpc"
	"vigil/tests/harness"
	"vigil/towerapi"
)

// profile writes a CPU profile of a tower under 64 clients. The product has no
// door for profiles, so this tower runs in this process, joined as the plugin
// joins it; the clients are in the profile, too, under bench.load.
func profile(b *bench, path string) {
	b.measureFloor()
	users := newUsers(8)
	t := b.inProcess()
	b.register(t, users)
	b.addLoad(t, users, 64, 2000)

	adds := newAdditions(users, 30_000)
	requests := addRequests(t.address, adds)
	f, err := os.Create(path)
	b.check("make the profile", err)
	b.check("start the profile", pprof.StartCPUProfile(f))
	r := b.load(t, 64, requests, 2*phase, nil)
	pprof.StopCPUProfile()
	b.check("write the profile", f.Close())
	b.table.tell("", "64 clients, profiled, tower and clients in one process", "%.0f/s, %s of CPU each", r.perSecond(), short(r.cpuEach()))
	b.table.print()
}

// inProcess is a tower that is joined here.
func (b *bench) inProcess() *served {
	b.Helper()
	dir := harness.Dir(b)
	key, _ := btcec.PrivKeyFromBytes(hashOf("tower"))
	db, err := store.Open(b.ctx, filepath.Join(dir, "tower.sqlite"))
	b.check("open the store", err)
	b.Cleanup(func() { b.check("close the store", db.Close()) })
	t := newCore(key, db)
	b.check("begin the chain", t.Begin(b.ctx, b.genesis()))
	return &served{address: b.open(t, dir), key: t.ID(), pid: os.Getpid()}
}

// newCore is a tower with the terms that the others here have.
func newCore(key *btcec.PrivateKey, s tower.Store) *tower.Tower {
	return tower.New(key, s, tower.Terms{
		Terms:        gatekeeper.Terms{Slots: 20_000_000, Duration: 1_000_000, Grace: 144},
		RecentBlocks: 144,
	}, slog.New(slog.DiscardHandler))
}

func (b *bench) genesis() *chain.Block {
	b.Helper()
	var raw rawBlock
	b.check("serialise the first block", chaincfg.RegressionNetParams.GenesisBlock.Serialize(&raw))
	return b.parse(raw, 0)
}

// rawBlock is a serialised block that is written to.
type rawBlock []byte

func (r *rawBlock) Write(p []byte) (int, error) { *r = append(*r, p...); return len(p), nil }

func (b *bench) parse(raw []byte, height uint32) *chain.Block {
	b.Helper()
	params, err := chain.ParamsFor("regtest")
	b.check("know the network", err)
	block, err := params.ParseBlock(raw)
	b.check("parse a block", err)
	block.Height = height
	return block
}

// open serves a tower through its inner door and its HTTP door, until the end.
func (b *bench) open(t *tower.Tower, dir string) (address string) {
	b.Helper()
	check := inspector.New(inspector.Limits{MinToSelfDelay: 1, MaxBlobSize: 64 << 10})
	quiet := slog.New(slog.DiscardHandler)
	listener, err := towerrpc.Listen(filepath.Join(dir, "vigil.sock"))
	b.check("listen", err)
	server := towerrpc.NewServer(t, nil, check, quiet)
	address = harness.FreeAddress(b)
	api := towerapi.New(server.Client(), check, towerapi.Config{Bind: address, Codes: teos.V2, Log: quiet})

	ctx, cancel := context.WithCancel(b.ctx)
	var doors sync.WaitGroup
	doors.Go(func() { _ = server.Serve(listener) }) // the clients would miss it
	doors.Go(func() { _ = api.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		stop, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		server.Stop(stop)
		doors.Wait()
	})
	harness.Until(b, "the door to open", func() bool { return harness.HTTPDoor("http://" + address).Ping(b.ctx) })
	return address
}
