package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// bench is the harness.T of the benchmarks: what goes wrong is told, and
// everything that was started is stopped.
type bench struct {
	start time.Time
	ctx   context.Context //nolint:containedctx // it is that of the whole run
	table *table
	floor floor

	mu       sync.Mutex
	failed   bool
	cleanups []func()
}

// run measures and returns the exit status.
func run(s settings) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{start: time.Now(), ctx: ctx, table: newTable()}
	b.apart(func() { measure(b, s) })
	b.clean(0)
	if b.Failed() {
		return 1
	}
	return 0
}

// alone runs a part of the benchmarks and stops what it has started.
func (b *bench) alone(part func(*bench)) {
	before := len(b.cleanups)
	part(b)
	b.clean(before)
}

// clean undoes, last first, all that was started since there were so many.
func (b *bench) clean(since int) {
	for len(b.cleanups) > since {
		last := b.cleanups[len(b.cleanups)-1]
		b.cleanups = b.cleanups[:len(b.cleanups)-1]
		b.apart(last)
	}
}

// apart runs f where Fatalf can end it.
func (b *bench) apart(f func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f()
	}()
	<-ended
}

// say tells what is being done now: some steps are long.
func (b *bench) say(format string, args ...any) {
	passed := time.Time{}.Add(time.Since(b.start)).Format("04:05")
	fmt.Fprintf(os.Stderr, "%s  %s\n", passed, fmt.Sprintf(format, args...))
}

func (b *bench) check(what string, err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

// Helper, Context and the rest make it a harness.T.
func (b *bench) Helper()                  {}
func (b *bench) Context() context.Context { return b.ctx }
func (b *bench) Cleanup(f func())         { b.cleanups = append(b.cleanups, f) }

func (b *bench) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (b *bench) Errorf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = true
	b.Logf("bench: "+format, args...)
}

func (b *bench) Fatalf(format string, args ...any) {
	b.Errorf(format, args...)
	runtime.Goexit()
}

func (b *bench) Failed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// quantile is the value that a share of the durations, which it sorts, do not
// exceed.
func quantile(took []time.Duration, share float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(share*float64(len(took))))]
}
