package main

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower"
	"vigil/tests/harness"
)

const blocks = 4 // of each shape

// large is what measures one large store.
type large struct {
	*bench
	size   int
	dir    string // a copy, which changes
	node   *harness.Node
	blocks []string // in hex, each above the one before it
	first  int      // the height of the first of them
}

// scale measures targets 3 to 5 on stores that are built once.
func (b *bench) scale(s settings) {
	b.measureFloor()
	smallest := ""
	for _, size := range s.sizes() {
		dir := b.stored(s.cache, size)
		b.alone(func(b *bench) { b.atSize(s, dir, size, smallest) })
		if smallest == "" {
			smallest = dir
		}
	}
	b.table.print()
}

// sizes are those of the stores, the smallest first.
func (s settings) sizes() []int {
	sizes := []int{100_000, 1_000_000, s.scale}
	slices.Sort(sizes)
	last, _ := slices.BinarySearch(sizes, s.scale)
	return sizes[:last+1]
}

// small measures them on a store that is built at once.
func (b *bench) small(s settings) {
	const size = 100_000
	dir := harness.Dir(b)
	b.build(filepath.Join(dir, "tower.sqlite"), size)
	b.atSize(s, dir, size, "")
}

// atSize measures one store, and how much longer a scan of it takes than one of the
// smallest, if that is another.
func (b *bench) atSize(s settings, cached string, size int, smallest string) {
	l := &large{bench: b, size: size, dir: filepath.Join(harness.Dir(b), "data")}
	l.say("%d appointments", size)
	l.hold("5", "disk for each appointment of 300 bytes", fmt.Sprintf("%d bytes", b.diskOf(cached)/int64(size)),
		"under 480 bytes", b.diskOf(cached) < int64(size)*blobSize*16/10)
	l.copyStore(cached, l.dir)
	l.say("making blocks of 4 MB")
	l.prepareBlocks()
	l.alone(func(*bench) { l.inProcess(smallest) })
	if s.wants("4,5") {
		l.served()
	}
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

// shapes are blocks as heavy as they may be, of so many transactions.
var shapes = []int{scanned, 300}

// prepareBlocks mines blocks of each shape.
func (l *large) prepareBlocks() {
	l.Helper()
	l.node = harness.StartNode(l, backend())
	l.node.MineTo(100 + len(shapes))
	txs := make([][]*wire.MsgTx, len(shapes))
	for i, shape := range shapes {
		txs[i] = fund(l.node, shape)
	}
	l.first = l.node.Height()
	for range blocks {
		for i := range shapes {
			heavy(txs[i])
			l.node.MineBlock(txs[i]...)
			txs[i] = next(txs[i])
		}
	}
	for height := l.first; height <= l.node.Height(); height++ {
		l.blocks = append(l.blocks, l.blockAt(height))
	}
}

func (l *large) blockAt(height int) (text string) {
	l.Helper()
	l.check("getblock", l.node.Call(l.ctx, &text, "getblock", l.node.BlockHash(height).String(), 0))
	return text
}

// inProcess measures the core without its doors.
func (l *large) inProcess(smallest string) {
	l.Helper()
	db := l.open(l.dir)
	l.say("scanning")
	l.scanTimes(db)
	if smallest != "" {
		l.alone(func(*bench) { l.against(db, smallest) })
	}
	l.say("connecting blocks")
	l.blockTimes(newCore(heavyUser.key, db))
}

// blockTimes measures from a block's bytes, as the source gives them, until it
// is processed whole and durable.
func (l *large) blockTimes(t *tower.Tower) {
	l.Helper()
	took := make([][]time.Duration, len(shapes))
	for i, text := range l.blocks {
		connect, start := t.Connect, time.Now()
		if i == 0 {
			connect = t.Begin
		}
		raw, err := hex.DecodeString(text)
		l.check("decode a block", err)
		l.check("connect a block", connect(l.ctx, l.parse(raw, uint32(l.first+i))))
		if i > 0 {
			shape := (i - 1) % len(shapes)
			took[shape] = append(took[shape], time.Since(start))
		}
	}
	for i, shape := range shapes {
		median, longest := quantile(took[i], 0.5), quantile(took[i], 1)
		l.hold("3", fmt.Sprintf("block of %.1f MB, %d transactions, arrived to scanned, median (longest)", float64(len(l.blocks[i+1]))/2e6, shape),
			fmt.Sprintf("%s (%s)", short(median), short(longest)), "under 250 ms", median < 250*time.Millisecond)
	}
}
