package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

// wantTrue demands that the transaction says of everybody, and of the height, what its
// rows say.
func wantTrue(t *testing.T, x tower.Tx) {
	t.Helper()
	tip, _, err := x.Tip()
	if err != nil {
		return // its caller has gone
	}
	_ = wantKnown(t, x)
	wantHeightInRows(t, x, tip.Height)
}

func wantHeightInRows(t *testing.T, x tower.Tx, told uint32) {
	t.Helper()
	var height uint32
	_, err := x.(*tx).one("read the height", `SELECT COALESCE(MAX(height), 0) FROM blocks`, nil, []any{&height})
	if err != nil || told != height {
		t.Errorf("height %d is told, the rows say %d (%v)", told, height, err)
	}
}

// disturb is what may go wrong after a deed: nothing, mostly.
func disturb(r *rand.Rand, cancel func()) func(tower.Tx) error {
	how := r.IntN(40)
	return func(x tower.Tx) error {
		switch how {
		case 0:
			return errors.Join(lose(x), errNo)
		case 1:
			cancel()
		case 2:
			panic("a panic of the test's")
		case 3:
			runtime.Goexit()
		case 4:
			if x.(*tx).batch.kept > 0 {
				return errAlone
			}
		}
		return nil
	}
}

func nextBlock(x tower.Tx) error {
	tip, _, err := x.Tip()
	b := &chain.Block{}
	b.Height = tip.Height + 1
	return errors.Join(err, x.PutBlock(b, false))
}

// Whoever asks, while others write and fail in every way, hears what is in the rows; and
// what was kept is there for whoever asks after it.
func TestWhatIsKnownWhileManyWriteAndRead(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "vigil.db"))
	db.keeper.stop()
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	var kept, failed, views atomic.Int64
	var height atomic.Uint32 // that was kept
	var work sync.WaitGroup
	for seed := range uint64(4) {
		work.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			for ctx.Err() == nil && !t.Failed() {
				if writeOnce(t, db, r, &height) {
					kept.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
		work.Go(func() {
			for ctx.Err() == nil && !t.Failed() {
				least := height.Load()
				mustView(t, db, func(x tower.Tx) error {
					wantTrue(t, x)
					if tip, _, err := x.Tip(); err != nil || tip.Height < least {
						t.Errorf("height %d (%v), and %d was kept before", tip.Height, err, least)
					}
					return nil
				})
				views.Add(1)
			}
		})
	}
	work.Wait()
	if kept.Load() < 50 || failed.Load() < 10 || views.Load() < 50 {
		t.Errorf("%d kept, %d failed, %d views: that tries too little", kept.Load(), failed.Load(), views.Load())
	}
}

// writeOnce does a deed, on a goroutine of its own that may end in any way.
func writeOnce(t *testing.T, db *DB, r *rand.Rand, height *atomic.Uint32) (kept bool) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	do, goWrong, block := deed(t, r), disturb(r, cancel), r.IntN(3) == 0
	done := make(chan struct{})
	var tip chain.Header
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		kept = db.Update(ctx, func(x tower.Tx) (err error) {
			wantTrue(t, x)
			if block {
				err = nextBlock(x)
			}
			if err = errors.Join(err, do(x), goWrong(x), ctx.Err()); err == nil {
				wantTrue(t, x)
				tip, _, err = x.Tip()
			}
			return err
		}) == nil
	}()
	<-done
	for kept {
		was := height.Load()
		if was >= tip.Height || height.CompareAndSwap(was, tip.Height) {
			break
		}
	}
	return kept
}
