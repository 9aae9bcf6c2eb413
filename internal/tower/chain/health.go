package chain

import (
	"context"
	"errors"
	"time"
)

const (
	// patience is for how long a source that has worked may fail until that is
	// told: a node that is restarted is no news.
	patience = 3 * time.Minute
	// outdated is how old a failure is that says nothing any more. The source
	// that is asked last may not be asked for a block again for days.
	outdated = time.Hour
	// times is how often it must have failed then, each a minute after the last:
	// two moments within an hour are no lasting failure.
	times = 3
)

// Backend is a source of a Pair under the name by which its operator knows it.
type Backend struct {
	Name string
	Source
}

// Failing is a source of a Pair that does not work.
type Failing struct {
	Name string
	// Since is when it began to fail; Never says that it has not worked before.
	Since time.Time
	Never bool
	Err   error
}

// health is what a source's answers say of it. Tips, hashes and blocks are told apart:
// one that may tell its tip but gives no block does not work.
type health struct {
	worked               bool
	tips, hashes, blocks streak
	failed               time.Time // zero if the last call did not fail
}

// streak is failures without a success between them.
type streak struct {
	since, last, counted time.Time
	count                int
	err                  error
}

func (s *streak) fail(err error, now time.Time) {
	if now.Sub(s.last) > outdated {
		*s = streak{since: now}
	}
	if now.Sub(s.counted) >= restFor {
		s.count, s.counted = s.count+1, now
	}
	s.last, s.err = now, err
}

func (s *streak) lasts() bool { return s.count >= times && s.last.Sub(s.since) >= patience }

func (h *health) of(what Call) *streak {
	switch what {
	case CallTip:
		return &h.tips
	case CallHash:
		return &h.hashes
	default:
		return &h.blocks
	}
}

func (h *health) note(what Call, err error, now time.Time) {
	if err == nil {
		h.worked, h.failed, *h.of(what) = true, time.Time{}, streak{}
		return
	}
	h.failed = now
	h.of(what).fail(err, now)
}

// failing returns the failures that the operator should hear of, if there are any.
func (h *health) failing(now time.Time) (streak, bool) {
	for _, s := range []streak{h.tips, h.hashes, h.blocks} {
		if s.err != nil && (!h.worked || s.lasts()) && now.Sub(s.last) < outdated {
			return s, true
		}
	}
	return streak{}, false
}

// Failing returns those sources that have not worked since the start, or not for
// some minutes.
func (p *Pair) Failing() (list []Failing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.members {
		m := &p.members[i]
		if s, bad := m.failing(time.Now()); bad {
			list = append(list, Failing{Name: m.Name, Since: s.since, Never: !m.worked, Err: s.err})
		}
	}
	return list
}

// Answer is what a source of a Pair says when it is asked for its tip.
type Answer struct {
	Name string
	Tip  Tip
	Err  error
}

// Answers asks both sources for their tips and for that block, also one that is left alone
// for now.
func (p *Pair) Answers(ctx context.Context) (answers [2]Answer) {
	p.both(ctx, func(ctx context.Context, i int) {
		tip, err := p.askTip(ctx, i)
		if err == nil {
			_, err = p.members[i].Block(ctx, tip.Height)
			p.note(i, CallBlock, err)
		}
		answers[i] = Answer{Name: p.members[i].Name, Tip: tip, Err: err}
	})
	return answers
}

// note remembers whether a source works, and tells of the beginning and the end of
// a failure. That a block is missing is none.
func (p *Pair) note(i int, what Call, err error) {
	if errors.Is(err, context.Canceled) {
		return // it was us
	}
	if isMissing(err) {
		err = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &p.members[i]
	switch failing := !m.failed.IsZero(); {
	case failing && err == nil:
		p.log.Info("a Bitcoin backend answers again", "backend", m.Name)
	case !failing && err != nil:
		p.log.Warn("a Bitcoin backend fails; the other is asked instead", "backend", m.Name, "err", err)
	}
	m.health.note(what, err, time.Now())
}
