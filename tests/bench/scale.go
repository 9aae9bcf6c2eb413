package main

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/store"
	"vigil/internal/tower/watcher"
	"vigil/tests/harness"
)

const (
	scanned    = 5000 // transactions of a scanned block
	scans      = 20
	heavyBlock = 6 // blocks of 4 MB
)

// large is what measures one large store.
type large struct {
	*bench
	size   int
	dir    string // a copy, which changes
	node   *harness.Node
	blocks []string // in hex, of 4 MB each, above the block before them
	below  string
	first  int // the height of the first of them
}

// scale measures targets 3 to 5 on stores that are built once.
func (b *bench) scale(s settings) {
	b.measureFloor()
	var scan time.Duration
	for text := range strings.SplitSeq(s.sizes, ",") {
		size, err := strconv.Atoi(text)
		b.check("read -sizes", err)
		b.alone(func(b *bench) { scan = b.atSize(b.stored(s.cache, size), size, scan) })
	}
	b.table.print()
}

// small measures them on a store that is built at once.
func (b *bench) small() {
	const size = 100_000
	dir := harness.Dir(b)
	b.build(filepath.Join(dir, "tower.sqlite"), size)
	b.atSize(dir, size, 0)
}

// atSize returns how long a scan takes; smallest is that of the first store.
func (b *bench) atSize(cached string, size int, smallest time.Duration) time.Duration {
	l := &large{bench: b, size: size, dir: filepath.Join(harness.Dir(b), "data")}
	l.say("%d appointments", size)
	l.hold("5", "disk for each appointment of 300 bytes", fmt.Sprintf("%d bytes", diskOf(cached)/int64(size)),
		"under 480 bytes", diskOf(cached) < int64(size)*blobSize*16/10)
	l.copyStore(cached, l.dir)
	l.prepareBlocks()
	scan := l.inProcess()
	if smallest > 0 {
		l.hold("3", "scan against that of the smallest store", fmt.Sprintf("%.2f ×", scan.Seconds()/smallest.Seconds()),
			"at most 2 ×", scan <= 2*smallest)
		scan = smallest
	}
	l.served()
	return scan
}

func (l *large) named(what string) string {
	n := fmt.Sprintf("%d", l.size)
	for zeros, unit := range map[string]string{"000000": "M", "000": "k"} {
		if cut, ok := strings.CutSuffix(fmt.Sprint(l.size), zeros); ok && len(cut)+1 < len(n) {
			n = cut + unit
		}
	}
	return n + ": " + what
}

func (l *large) hold(target, what, figure, aim string, met bool) {
	l.table.hold(target, l.named(what), figure, aim, met)
}

func (l *large) tell(target, what, figure string, args ...any) {
	l.table.tell(target, l.named(what), figure, args...)
}

// prepareBlocks mines blocks of 4 MB with 5,000 transactions each.
func (l *large) prepareBlocks() {
	l.Helper()
	l.node = harness.StartNode(l, backend())
	txs := fund(l.node, scanned)
	l.first = l.node.Height() + 1
	l.below = l.blockAt(l.node.Height())
	for range heavyBlock {
		heavy(txs)
		l.node.MineBlock(txs...)
		l.blocks = append(l.blocks, l.blockAt(l.node.Height()))
		txs = next(txs)
	}
}

func (l *large) blockAt(height int) (text string) {
	l.Helper()
	l.check("getblock", l.node.Call(l.ctx, &text, "getblock", l.node.BlockHash(height).String(), 0))
	return text
}

// inProcess measures the core without its doors.
func (l *large) inProcess() (scan time.Duration) {
	l.Helper()
	db, err := store.Open(l.ctx, filepath.Join(l.dir, "tower.sqlite"))
	l.check("open the store", err)
	defer func() { l.check("close the store", db.Close()) }()
	scan = l.scanTimes(db)
	l.blockTimes(newCore(heavyUser.key, db))
	return scan
}

func (l *large) scanTimes(db *store.DB) time.Duration {
	l.Helper()
	var took []time.Duration
	before := cpuUsed(syscall.RUSAGE_SELF)
	for range scans {
		block := strangeBlock()
		start := time.Now()
		l.check("scan", db.View(l.ctx, func(tx tower.Tx) error {
			return watcher.Scan(tx, block, func(watcher.Match) error { return nil })
		}))
		took = append(took, time.Since(start))
	}
	cpu := (cpuUsed(syscall.RUSAGE_SELF) - before) / scans
	first, median := took[0], quantile(took, 0.5)
	l.hold("3", "scan of 5,000 transactions, median (first; CPU)",
		fmt.Sprintf("%s (%s; %s)", short(median), short(first), short(cpu)), "under 50 ms", median < 50*time.Millisecond)
	return median
}

// strangeBlock is a block without a breach.
func strangeBlock() *chain.Block {
	b := &chain.Block{Txs: make([]chain.Tx, scanned)}
	for i := range b.Txs {
		var id chainhash.Hash
		fill(id[:])
		b.Txs[i].ID = id
	}
	return b
}

// blockTimes measures from a block's bytes, as the source gives them, until it
// is processed whole and durable.
func (l *large) blockTimes(t *tower.Tower) {
	l.Helper()
	raw, err := hex.DecodeString(l.below)
	l.check("decode a block", err)
	l.check("begin", t.Begin(l.ctx, l.parse(raw, uint32(l.first-1))))
	var took []time.Duration
	for i, text := range l.blocks {
		start := time.Now()
		raw, err := hex.DecodeString(text)
		l.check("decode a block", err)
		l.check("connect", t.Connect(l.ctx, l.parse(raw, uint32(l.first+i))))
		took = append(took, time.Since(start))
	}
	median, longest := quantile(took, 0.5), quantile(took, 1)
	l.hold("3", fmt.Sprintf("block of %.1f MB, arrived to scanned, median (longest)", float64(len(l.blocks[0]))/2e6),
		fmt.Sprintf("%s (%s)", short(median), short(longest)), "under 250 ms", median < 250*time.Millisecond)
}
