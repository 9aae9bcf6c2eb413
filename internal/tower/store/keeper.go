package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

const (
	// keepEvery is how often the keeper looks whether there is something to
	// do.
	keepEvery = 2 * time.Second
	// page is how many rows are read at once to fill a sieve.
	page = 10_000
	// leastRoom is for how many keys a sieve is made at least, 2 bytes each: a store
	// that grows from nothing reads its keys anew each time that it has outgrown one.
	leastRoom = 100_000
	// rememberAgain and trimAgain are for how long neither is tried again after it
	// failed: what fails on a damaged page does so each time, after much work.
	rememberAgain = time.Minute
	trimAgain     = 10 * time.Minute
	// spare is how many free pages may stay in the file.
	spare = 256
)

// keeper does what need not be done at once: it fills the memory and gives space
// back that deletions left. What fails is tried again; nothing depends on it but
// time and room.
type keeper struct {
	cancel  context.CancelFunc
	done    chan struct{}
	backups atomic.Int32 // that are being made
	trimmed uint64       // after which commit there was no room to give back

	remembering, gathering, trimming pause
}

func (k *keeper) start(db *DB) {
	var ctx context.Context
	ctx, k.cancel = context.WithCancel(context.Background())
	k.done = make(chan struct{})
	k.trimmed = math.MaxUint64 // nothing is known of what an earlier start left
	go func() {
		defer close(k.done)
		db.keep(ctx)
	}()
}

func (k *keeper) stop() {
	k.cancel()
	<-k.done
}

func (db *DB) keep(ctx context.Context) {
	ticker := time.NewTicker(keepEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		more := db.rememberAndGather(ctx)
		if db.keeper.trimming.over() {
			db.keeper.trimming.after(db.trim(ctx), trimAgain)
		}
		_ = db.disperse(ctx)
		if more {
			continue
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// pause is for how long something is not tried again that failed.
type pause struct{ until time.Time }

func (p *pause) over() bool { return !time.Now().Before(p.until) }

func (p *pause) after(err error, d time.Duration) {
	if err != nil {
		p.until = time.Now().Add(d)
	}
}

// rememberAndGather says whether there may be more to gather. What is not counted whole
// would seem sparse.
func (db *DB) rememberAndGather(ctx context.Context) (more bool) {
	if !db.keeper.remembering.over() {
		return false
	}
	err := db.remember(ctx)
	if db.keeper.remembering.after(err, rememberAgain); err == nil {
		more, _ = db.gather(ctx)
	}
	return more
}

// remember fills what is not complete: what can't be read of one keeps no other empty.
func (db *DB) remember(ctx context.Context) error {
	err := db.rememberRecents(ctx)
	if db.outputs.wanting() {
		err = errors.Join(err, db.sift(ctx, &db.outputs, outputKeys))
	}
	if db.locators.wanting() {
		db.density.reset()
		err = errors.Join(err, db.sift(ctx, &db.locators, db.density.keysAndRows()))
	}
	return err
}

func (db *DB) rememberRecents(ctx context.Context) error {
	missing, times := db.recents.missing()
	if !missing {
		return nil
	}
	// One view: what is put after it began adds itself.
	err := db.View(ctx, func(x tower.Tx) error {
		t := x.(*tx) //nolint:forcetypeassert // ours
		heights, err := t.recentHeights()
		for i := 0; err == nil && i < len(heights); i++ {
			err = t.rememberRecent(heights[i])
		}
		return err
	})
	if err == nil {
		db.recents.finish(times)
	}
	return err
}

func (t *tx) rememberRecent(height uint32) error {
	h, found, err := t.Header(height)
	if err != nil {
		return err
	}
	if !found {
		h = chain.Header{Height: height}
	}
	ids, err := t.recentIDs(height)
	if err == nil {
		t.memory.recents.add(h, ids)
	}
	return err
}

// keys is where a sieve gets its keys from.
type keys struct {
	// count says about how many there are; list returns some of those that
	// come after another, in their order.
	count, list string
	size        int
	first       []any
	scan        func(*sql.Rows, *[]byte) (last []any, err error)
}

var outputKeys = keys{
	count: `SELECT COUNT(*) FROM watches`,
	list: `SELECT txid, vout FROM watches WHERE (txid, vout) > (?, ?)
		GROUP BY txid, vout ORDER BY txid, vout LIMIT ?`,
	size: outputKeySize, first: []any{[]byte{}, 0},
	scan: func(rows *sql.Rows, into *[]byte) ([]any, error) {
		var out wire.OutPoint
		var txid []byte
		if err := rows.Scan(&txid, &out.Index); err != nil {
			return nil, err
		}
		err := setHash(&out.Hash, txid)
		key := outputKey(&out)
		*into = append(*into, key[:]...)
		return []any{txid, out.Index}, err
	},
}

// sift fills a sieve anew. It begins in its turn among the writers: what is added
// to the old sieve only was written before, and is committed or undone when the
// first page is read.
func (db *DB) sift(ctx context.Context, s *sieve, k keys) error {
	var n uint64
	err := db.View(ctx, func(x tower.Tx) error {
		_, err := x.(*tx).one("count keys", k.count, nil, []any{&n})
		return err
	})
	if err == nil {
		err = db.Update(ctx, func(tower.Tx) error { s.begin(max(leastRoom, n+n/4)); return nil })
	}
	for after := k.first; err == nil && after != nil; {
		after, err = db.siftPage(ctx, s, k, after)
	}
	if err == nil {
		s.end()
	}
	return err
}

func (db *DB) siftPage(ctx context.Context, s *sieve, k keys, after []any) (last []any, err error) {
	found := make([]byte, 0, page*k.size)
	err = db.View(ctx, func(x tower.Tx) error {
		return x.(*tx).all("read keys", k.list, append(after, page), func(rows *sql.Rows) (err error) {
			last, err = k.scan(rows, &found)
			return err
		})
	})
	s.fill(found, k.size)
	return last, err
}

// trim gives back what room there is, unless there was none after the last commit.
func (db *DB) trim(ctx context.Context) error {
	last, certain := db.known.last()
	if certain && last == db.keeper.trimmed {
		return nil
	}
	if err := db.giveBack(ctx); err != nil {
		return err
	}
	if short, err := db.cut(ctx); err != nil || !short {
		return err
	}
	db.keeper.trimmed = last
	return nil
}

// giveBack makes the file smaller by the pages that deletions left free, a few at
// a time.
func (db *DB) giveBack(ctx context.Context) error {
	free, err := db.free(ctx)
	for err == nil && free > spare {
		before := free
		err = db.updateAlone(ctx, func(x tower.Tx) error { return x.(*tx).vacuum() })
		if err != nil {
			return err
		}
		if free, err = db.free(ctx); free >= before {
			return err
		}
	}
	return err
}

func (db *DB) free(ctx context.Context) (pages int, err error) {
	err = db.View(ctx, func(x tower.Tx) error {
		_, err := x.(*tx).one("count free pages", `PRAGMA freelist_count`, nil, []any{&pages})
		return err
	})
	return pages, err
}

// vacuum moves only so many pages in one turn, as others wait for theirs.
func (t *tx) vacuum() error {
	_, err := t.exec("give space back", `PRAGMA incremental_vacuum(128)`)
	return err
}
