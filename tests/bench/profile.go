package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
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

// profile writes profiles of a tower under 64 clients: of the CPU, and, of another
// load, of what is allocated, what is waited for and which locks are fought for. The
// product has no door for profiles, so this tower runs in this process, joined as the
// plugin joins it; the clients are in the profiles, too, under bench.load.
func profile(b *bench, path string) {
	users := newUsers(8)
	t := b.inProcess()
	b.register(t, users)
	b.load(t, 64, addRequests(t.address, newAdditions(users, 2000)), phase, nil)
	const n = 30_000
	requests := addRequests(t.address, newAdditions(users, 2*n))

	f, err := os.Create(path)
	b.check("make the profile", err)
	b.check("start the profile", pprof.StartCPUProfile(f))
	r := b.load(t, 64, requests[:n], 2*phase, nil)
	pprof.StopCPUProfile()
	b.check("write the profile", f.Close())
	b.table.tell("", "64 clients, profiled, tower and clients in one process", "%.0f/s, %s of CPU each", r.perSecond(), short(r.cpuEach()))

	runtime.SetBlockProfileRate(int(10 * time.Microsecond))
	runtime.SetMutexProfileFraction(100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r = b.load(t, 64, requests[n:], 2*phase, nil)
	runtime.ReadMemStats(&after)
	asked := uint64(max(1, r.asked))
	b.table.tell("", "allocations for each, clients included", "%d of %d bytes in all",
		(after.Mallocs-before.Mallocs)/asked, (after.TotalAlloc-before.TotalAlloc)/asked)
	for _, kind := range []string{"allocs", "block", "mutex"} {
		b.writeProfile(kind, path+"."+kind)
	}
	b.table.print()
}

func (b *bench) writeProfile(kind, path string) {
	b.Helper()
	f, err := os.Create(path)
	b.check("make the profile", err)
	b.check("write the profile", pprof.Lookup(kind).WriteTo(f, 0))
	b.check("write the profile", f.Close())
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
