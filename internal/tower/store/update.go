package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

// A batch is committed when nobody else waits, or when it is as large or as old
// as this.
const (
	maxBatch     = 256
	maxBatchTime = 20 * time.Millisecond
)

// batch is what shares one commit.
type batch struct {
	began time.Time
	// alone says that it is one function's, and nobody may join.
	alone bool
	// open says that there is a transaction; it has what so many functions
	// did, and so many were played.
	open         bool
	kept, played int
	tip          *chain.Header // as the last of them, or the last commit, left it; nil if it must be read
	grown        growth
	touched      touched
	committed    []func()
	laid         []laid
	done         chan struct{}
	err          error // once done: nothing of the batch was kept
}

func (b *batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Update implements tower.Store. Each function runs on its caller's goroutine
// when it is its turn, on the transaction that those before it left open, behind
// a savepoint. Who has nobody waiting behind commits for all.
func (db *DB) Update(ctx context.Context, f func(tower.Tx) error) error {
	again, err := db.update(ctx, f, false)
	if again {
		_, err = db.update(ctx, f, true)
	}
	return named(err)
}

// updateAlone is Update in a transaction that nobody shares. SQLite commits nothing after
// it has met a damaged page: what the keeper meets where it reads much costs no other's
// commit.
func (db *DB) updateAlone(ctx context.Context, f func(tower.Tx) error) error {
	_, err := db.update(ctx, f, true)
	return named(err)
}

// errAlone is what a function fails with that must be the first in its batch.
var errAlone = errors.New("too much to do behind a savepoint")

// update says with again that f itself, and not another of its batch, must be alone.
func (db *DB) update(ctx context.Context, f func(tower.Tx) error, alone bool) (again bool, err error) {
	if err := db.line.enter(ctx); err != nil {
		return false, fmt.Errorf("wait for the other writers: %w", err)
	}
	if alone && db.line.batch != nil {
		db.settle(db.line.batch)
	}
	b, err := db.join(ctx)
	if err != nil {
		db.finish(b)
		return false, err
	}
	b.alone = alone
	err = db.play(ctx, b, f)
	again = errors.Is(err, errAlone)
	if errWait := b.wait(ctx); errWait != nil {
		// Also after a failure: it may come from what others wrote just
		// before, and stands only if that is kept.
		return false, errWait
	}
	return again, err
}

func (b *batch) wait(ctx context.Context) error {
	select {
	case <-b.done:
		return b.err
	default:
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("commit: %w", ctx.Err())
	}
}

// join returns the batch of whose turn it is, with a transaction open.
func (db *DB) join(ctx context.Context) (b *batch, err error) {
	if b = db.line.batch; b == nil {
		b = &batch{began: time.Now(), tip: db.known.lastTip(), done: make(chan struct{})}
		db.line.batch = b
	}
	if b.open {
		return b, nil
	}
	if err := db.writer.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return b, err
	}
	b.open = true
	err = db.notice()
	b.tip = db.known.lastTip()
	return b, err
}

// play runs f and then goes on, also where f panics or ends its goroutine: the
// batch is handed on or finished.
func (db *DB) play(ctx context.Context, b *batch, f func(tower.Tx) error) (err error) {
	defer func() {
		b.played++
		db.proceed(b)
	}()
	t := &tx{ctx: ctx, conn: db.writer, memory: &db.memory, batch: b}
	kept, tip := false, b.tip
	defer func() {
		if !kept {
			b.tip = tip
			db.undo(b, err)
		}
	}()
	if b.kept > 0 {
		if err := db.writer.run("SAVEPOINT one"); err != nil {
			b.fail(err)
			return err
		}
	}
	if err = f(t); err == nil {
		err = t.failed
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if b.kept > 0 {
		if err := db.writer.run("RELEASE one"); err != nil {
			b.fail(err)
			return err
		}
	}
	kept = true
	b.kept++
	b.grown = b.grown.plus(t.grown)
	b.touched.follow(t.touched)
	b.committed = append(b.committed, t.committed...)
	b.laid = append(b.laid, t.laid...)
	return nil
}

// undo takes back what one function did, that failed for a reason. Where nothing was
// kept before it, no savepoint was needed: the whole transaction goes.
func (db *DB) undo(b *batch, why error) {
	if b.kept == 0 {
		db.writer.end(why)
		b.open = false
		return
	}
	if b.err != nil {
		return
	}
	// SQLite undoes the whole transaction after some failures, as that of a
	// disk: there is no savepoint then, and the reason is that of the others,
	// too.
	if err := errors.Join(db.writer.run("ROLLBACK TO one"), db.writer.run("RELEASE one")); err != nil {
		if why = named(why); !errors.Is(why, tower.ErrStore) {
			why = fmt.Errorf("%w: %w", tower.ErrStore, errors.Join(why, err))
		}
		b.fail(fmt.Errorf("a batch was undone: %w", why))
	}
}

// proceed hands the turn to the next writer, with the batch, or finishes it.
func (db *DB) proceed(b *batch) {
	if b.err == nil && !b.alone && b.played < maxBatch && time.Since(b.began) < maxBatchTime && db.line.hand() {
		return
	}
	db.finish(b)
}

// finish ends the batch and gives the turn up.
func (db *DB) finish(b *batch) {
	db.settle(b)
	db.line.exit()
}

// settle ends the batch, durably or not at all.
func (db *DB) settle(b *batch) {
	if b.open && b.err == nil {
		began := time.Now()
		if err := db.commit(b); err != nil {
			b.fail(fmt.Errorf("commit: %w", err))
		} else if tell := db.onCommit.Load(); tell != nil && b.kept > 0 {
			(*tell)(b.kept, time.Since(began))
		}
	}
	var undone bool
	if b.open && b.err != nil {
		undone = db.writer.end(b.err)
	}
	db.takeOver(b, undone)
	db.line.batch = nil
	close(b.done)
}

// takeOver remembers what a batch left, or forgets what it may have left unless it is
// certain that it was undone.
func (db *DB) takeOver(b *batch, undone bool) {
	switch {
	case b.err != nil && undone:
		db.known.stay()
		return
	case b.err != nil:
		db.known.forget()
		return
	}
	db.known.follow(b.touched, b.tip)
	for _, f := range b.committed {
		f()
	}
	db.density.count(b.laid)
}

// OnCommit sets what is called after each commit with how many functions shared
// it, and how long the commit itself took. It must not block: the next writer
// waits for it.
func (db *DB) OnCommit(f func(together int, took time.Duration)) { db.onCommit.Store(&f) }

func (db *DB) commit(b *batch) error {
	t := &tx{ctx: context.Background(), conn: db.writer, memory: &db.memory, batch: b}
	if err := t.count(b.grown); err != nil {
		return err
	}
	db.known.begin()
	return db.writer.run("COMMIT")
}

// version is the file's, as one connection sees it: it changes when another
// connection has written.
type version struct {
	conn *sql.Conn
	n    int64
}

// notice forgets what is in memory if anybody else has written to the file, or may have:
// a new connection can't tell what came before it.
func (db *DB) notice() error {
	t := &tx{ctx: context.Background(), conn: db.writer}
	now := version{conn: db.writer.sql}
	if _, err := t.one("read the file's version", `PRAGMA data_version`, nil, []any{&now.n}); err != nil {
		return err
	}
	if db.version.conn != nil && now != db.version {
		db.forget()
	}
	db.version = now
	return nil
}
