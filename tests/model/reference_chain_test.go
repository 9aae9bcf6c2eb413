package model

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
)

func serialized(tx *wire.MsgTx) []byte {
	var b bytes.Buffer
	if err := tx.Serialize(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// apply lets an event that the tower has committed befall the reference, or
// says why it must not have happened.
func (r *reference) apply(e *event) error {
	r.events++
	switch e.kind {
	case starting:
		r.moved = r.events // all is due anew
		r.terms.RecentBlocks = e.recent
		return nil
	case registering:
		return e.compare(r.register(e.user, e.dialect))
	case adding:
		return e.compare(r.add(e.user, e.plan))
	default:
	}
	if !e.done {
		return nil
	}
	if err := r.follow(e); err != nil {
		return fmt.Errorf("%v: %w", e, err)
	}
	return nil
}

func (r *reference) follow(e *event) error {
	var b *chain.Block
	if e.block != nil {
		if b = r.world.blocks[e.block.Hash]; b == nil || b.Height != e.block.Height || len(b.Txs) != len(e.block.Txs) {
			return fmt.Errorf("no such block was ever mined: %v", e.block.Hash)
		}
	}
	switch e.kind {
	case connecting:
		if b.Height != r.tip.Height+1 || b.Prev != r.tip.Hash {
			return fmt.Errorf("it does not stand on the tip %d %v", r.tip.Height, r.tip.Hash)
		}
		return r.process(b, e)
	case beginning:
		return r.begin(b, e)
	case disconnecting:
		return r.disconnect(e.height)
	case backfilling:
		return r.backfill(b)
	case skipping:
		if !r.world.gone(e.height) {
			return fmt.Errorf("nothing above %d is pruned", r.world.pruned)
		}
		r.skip(e.height)
		return nil
	default:
		if r.headers[b.Height] != b {
			return errors.New("a rescan of a block that is not ours")
		}
		if r.headers[b.Height-1] == nil {
			r.skip(b.Height - 1)
		}
		r.judge(b)
		return nil
	}
}

// process is what a new tip means.
func (r *reference) process(b *chain.Block, e *event) error {
	r.moved = r.events
	r.scan(b)
	r.judge(b)
	over := r.bury(b.Height)
	r.expire(b.Height)
	r.tip, r.headers[b.Height], r.recent[b.Height] = b, b, b
	for h := range r.headers {
		if h+max(window, r.terms.RecentBlocks) <= b.Height {
			delete(r.headers, h)
		}
	}
	for h := range r.recent {
		if h+r.terms.RecentBlocks <= b.Height {
			delete(r.recent, h)
		}
	}
	var got []string
	for _, o := range e.over {
		got = append(got, resolved(o.Locator, o.Tracker.Dispute.ID, o.Tracker.Spender, o.Tracker.Spend, o.Tracker.SpentAt, o.Height))
	}
	slices.Sort(got)
	if !slices.Equal(got, over) {
		return fmt.Errorf("resolutions %q, want %q", got, over)
	}
	return nil
}

// begin is the first block, or one behind blocks that the source has pruned,
// or one in place of the lowest.
func (r *reference) begin(b *chain.Block, e *event) error {
	if r.tip != nil && b.Height > r.tip.Height {
		if !r.world.gone(b.Height - 1) {
			return fmt.Errorf("the tip jumps from %d, and nothing above %d is pruned", r.tip.Height, r.world.pruned)
		}
		for h := r.tip.Height + 1; h < b.Height; h++ {
			r.blind[h] = true
		}
		r.skip(b.Height - 1)
	} else if r.tip != nil {
		if r.headers[b.Height-1] != nil {
			return fmt.Errorf("the tip jumps back from %d, and the fork is known", r.tip.Height)
		}
		r.undo(b.Height - 1)
	}
	clear(r.headers)
	clear(r.recent)
	return r.process(b, e)
}

// skip gives up on the blocks up to a height.
func (r *reference) skip(height uint32) {
	r.each(func(_ *user, k *kept) {
		if k.tracker != nil {
			k.tracker.judged = max(k.tracker.judged, height)
		}
	})
}

// disconnect goes back to the fork with a branch that the source has shown.
func (r *reference) disconnect(fork uint32) error {
	b := r.headers[fork]
	if b == nil || fork >= r.tip.Height {
		return fmt.Errorf("no fork below the tip %d", r.tip.Height)
	}
	stands := func(b *chain.Block) func(tip *chain.Block) bool {
		return func(tip *chain.Block) bool { return tip.Height >= b.Height && r.world.onBranch(b, tip) }
	}
	if r.world.lied || r.world.gone(fork+1) || len(r.world.doubt) > 0 {
		// What tells of a fork is a lie, or can't be seen any more.
		r.undo(fork)
		r.tip = b
		return nil
	}
	next := stands(r.headers[fork+1])
	// The source may have changed its mind while it was asked.
	if !slices.ContainsFunc(r.world.shown, stands(b)) ||
		!slices.ContainsFunc(r.world.shown, func(tip *chain.Block) bool { return !next(tip) }) {
		return errors.New("no branch of the source leaves ours there")
	}
	r.undo(fork)
	r.tip = b
	return nil
}

// undo forgets what was decided above a height; what is unspent then is due.
func (r *reference) undo(height uint32) {
	r.moved = r.events
	above := func(b *chain.Block) bool { return b.Height > height }
	r.each(func(_ *user, k *kept) {
		t := k.tracker
		if t == nil {
			return
		}
		if !t.seen && t.at > height && t.judged < t.at {
			k.tracker = nil // nothing is known of a dispute that is out of the chain
			return
		}
		t.judged = min(t.judged, height)
		t.judgedBy = slices.DeleteFunc(t.judgedBy, above)
		if t.at > height {
			t.at = 0
		}
		r.mayPublish(t)
	})
	for _, blocks := range []map[uint32]*chain.Block{r.headers, r.recent} {
		for h := range blocks {
			if h > height {
				delete(blocks, h)
			}
		}
	}
}

// lowest returns the lowest block that is remembered.
func (r *reference) lowest() *chain.Block {
	low := r.tip
	for _, b := range r.headers {
		if b.Height < low.Height {
			low = b
		}
	}
	return low
}

func (r *reference) backfill(b *chain.Block) error {
	if low := r.bare(); low != nil {
		if r.headers[low.Height-1] != b {
			return fmt.Errorf("it is not the block below %d, the lowest with its transactions", low.Height)
		}
		r.scan(b)
		r.recent[b.Height] = b
		return nil
	}
	if low := r.lowest(); b.Hash != low.Prev {
		return fmt.Errorf("it is not the block below %d", low.Height)
	}
	r.scan(b)
	r.headers[b.Height] = b
	if b.Height+r.terms.RecentBlocks > r.tip.Height && r.recent[b.Height+1] != nil {
		r.recent[b.Height] = b
	}
	return nil
}

// bare returns the lowest block whose transactions are known, where those of the
// remembered one below should be, too.
func (r *reference) bare() *chain.Block {
	low := r.tip
	for r.recent[low.Height-1] != nil {
		low = r.recent[low.Height-1]
	}
	below := low.Height - 1
	if r.recent[low.Height] == nil || below == 0 || below+r.terms.RecentBlocks <= r.tip.Height || r.headers[below] == nil {
		return nil
	}
	return low
}
