package main

import (
	"fmt"
	"path/filepath"
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
	scanned = 5000 // transactions of a block that is scanned
	scans   = 20   // one after the other
	turns   = 10   // of two stores that are compared
)

// open opens a store until the part of the benchmark ends that it is for.
func (l *large) open(dir string) *store.DB {
	l.Helper()
	db, err := store.Open(l.ctx, filepath.Join(dir, "tower.sqlite"))
	l.check("open the store", err)
	l.Cleanup(func() { l.check("close the store", db.Close()) })
	return db
}

func (l *large) scanTimes(db *store.DB) {
	l.Helper()
	fresh, until := l.warmUp(db)
	took, cpu := l.scanSome(db)
	median := quantile(took, 0.5)
	l.hold("3", "scan of 5,000 transactions, median (CPU)",
		fmt.Sprintf("%s (%s)", short(median), short(cpu)), "under 50 ms", median < 50*time.Millisecond)
	l.tell("3", "first scan after a start / scans are under 50 ms after", "%s / %s", short(fresh), short(until))
}

// against compares scans with those of a store that is smaller, by turns: between
// figures that were taken minutes apart the machine may have become another.
func (l *large) against(db *store.DB, smaller string) {
	l.Helper()
	dir := filepath.Join(harness.Dir(l), "smaller")
	l.copyStore(smaller, dir)
	other := l.open(dir)
	l.warmUp(other)
	var here, there []time.Duration
	for range turns {
		took, _ := l.scanSome(other)
		there = append(there, took...)
		took, _ = l.scanSome(db)
		here = append(here, took...)
	}
	mine, base := quantile(here, 0.5), quantile(there, 0.5)
	l.hold("3", "scan against that of the smallest store, by turns", fmt.Sprintf("%.2f × %s", mine.Seconds()/base.Seconds(), short(base)),
		"at most 2 ×", mine <= 2*base)
}

// scanSome scans some blocks, and says what each took, and of the CPU on average.
func (l *large) scanSome(db *store.DB) (took []time.Duration, cpu time.Duration) {
	l.Helper()
	var strange []*chain.Block
	for range scans {
		strange = append(strange, strangeBlock())
	}
	before := cpuUsed(syscall.RUSAGE_SELF)
	for _, block := range strange {
		took = append(took, l.scanOnce(db, block))
	}
	return took, (cpuUsed(syscall.RUSAGE_SELF) - before) / scans
}

// warmUp scans until that is as fast as it should be, for a minute at most, and waits
// until nothing more is built that makes it faster.
func (l *large) warmUp(db *store.DB) (first, until time.Duration) {
	l.Helper()
	start := time.Now()
	took := l.scanOnce(db, strangeBlock())
	first = took
	for took >= 50*time.Millisecond && time.Since(start) < time.Minute {
		l.pause(200 * time.Millisecond)
		took = l.scanOnce(db, strangeBlock())
	}
	until = time.Since(start)
	l.idle(func() time.Duration { return cpuUsed(syscall.RUSAGE_SELF) })
	return first, until
}

func (l *large) scanOnce(db *store.DB, block *chain.Block) time.Duration {
	l.Helper()
	start := time.Now()
	l.check("scan", db.View(l.ctx, func(tx tower.Tx) error {
		return watcher.Scan(tx, block, func(watcher.Match) error { return nil })
	}))
	return time.Since(start)
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
