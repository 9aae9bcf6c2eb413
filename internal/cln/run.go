package cln

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"
)

// Run speaks with lightningd over in and out, normally stdin and stdout. It
// returns nil when in ends (lightningd is gone), after lightningd's shutdown
// notification, and when ctx ends, and an error when a pipe breaks or answers
// find no reader for a minute; handlers have then ended, or were given
// 2 × 3 s to do so, and every request that was read has its answer, unless
// nobody reads out any more. It is called once.
//
// A read of in that never returns is left behind with its goroutine, as is a
// write of out: neither can be interrupted on a pipe, and the process is about
// to end. Run ignores SIGPIPE from then on, so that a lightningd that was
// killed doesn't kill the plugin before it has closed its store.
func (p *Plugin) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	signal.Ignore(syscall.SIGPIPE)
	g := newGuard(p)
	defer g.cancel()
	if err := g.register(); err != nil {
		return fmt.Errorf("plugin: %w", err)
	}
	restore, err := g.startLibrary()
	if err != nil {
		return fmt.Errorf("plugin: %w", err)
	}
	defer restore()
	go g.queue.write(out)
	err = g.wait(ctx, in)
	g.stop()
	return err
}

// wait returns when the plugin has to stop, with an error where that is not
// what lightningd or ctx asked for.
func (g *guard) wait(ctx context.Context, in io.Reader) error {
	ended := make(chan error, 1)
	go func() { ended <- g.read(in) }()
	select {
	case err := <-ended:
		return err
	case <-g.shutdown:
	case <-ctx.Done():
	case <-g.queue.gone:
		return g.queue.err
	}
	return nil
}

// stop lets calls in flight end, cancels those that don't, answers what is
// left and ends glightning by closing its input (its Stop panics).
func (g *guard) stop() {
	g.mu.Lock()
	g.stopping = true
	g.mu.Unlock()
	if taken := g.takeSlots(0); taken < cap(g.slots) {
		g.cancel()
		g.takeSlots(taken)
	}
	g.cancel()
	stalled := time.AfterFunc(g.limits.drain, func() { g.queue.abandon(nil) })
	defer stalled.Stop()
	g.settleAll()
	g.libIn.Close()
	g.libOut.Close()
	g.libEnded.Wait()
	g.queue.close(g.limits.drain)
}

// takeSlots waits until no call is left in glightning, but only so long; it
// returns how many slots are taken, with those taken before.
func (g *guard) takeSlots(before int) (taken int) {
	timeout := time.NewTimer(g.limits.grace)
	defer timeout.Stop()
	for taken = before; taken < cap(g.slots); taken++ {
		select {
		case g.slots <- struct{}{}:
		case <-timeout.C:
			return taken
		}
	}
	return taken
}

// settleAll answers the calls whose handlers didn't end.
func (g *guard) settleAll() {
	g.mu.Lock()
	var left []int64
	for n := range g.calls {
		left = append(left, n)
	}
	g.mu.Unlock()
	for _, n := range left {
		g.settle(n, g.failure("", errStopping))
	}
}
