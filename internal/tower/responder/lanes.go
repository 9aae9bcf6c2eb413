package responder

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"vigil/internal/tower/chain"
)

// maxDefect is how much of a panic and its stack is kept, in bytes.
const maxDefect = 4 << 10

// lanesOf returns how many penalties the backend takes at once.
func lanesOf(out Broadcaster) int {
	if wide, ok := out.(chain.Wide); ok {
		return max(1, wide.Lanes())
	}
	return 1
}

// inLanes calls f for each index below n, in their order, as many at once as
// the backend takes, and returns when all have ended. It begins none after the
// end of ctx. A panic of f goes on in the caller.
func (p *Publisher) inLanes(ctx context.Context, n int, f func(i int)) {
	var next atomic.Int64
	var defect atomic.Pointer[string]
	lane := func() {
		defer func() {
			if r := recover(); r != nil {
				text := fmt.Sprintf("%v\n%s", r, debug.Stack())
				text = text[:min(len(text), maxDefect)]
				defect.Store(&text)
			}
		}()
		for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	var work sync.WaitGroup
	for range min(n, lanesOf(p.out)) {
		work.Go(lane)
	}
	work.Wait()
	if text := defect.Load(); text != nil {
		panic(*text)
	}
}
