package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"vigil/internal/operator"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
)

// The notifications that other plugins may subscribe to. Their fields are in
// docs/methods.md.
const topicBehind = "vigil_behind"

var topicOf = map[responder.EventKind]string{
	responder.EventFound:     "vigil_breach",
	responder.EventConfirmed: "vigil_penalty_confirmed",
	responder.EventResolved:  "vigil_resolved",
	responder.EventLost:      "vigil_lost",
}

func topics() []string {
	return append(slices.Sorted(maps.Values(topicOf)), topicBehind)
}

const (
	// notifyBatch is how many events are told between two notes of it.
	notifyBatch = 100
	// notifyPause is how often the notifier looks without being woken: for
	// what a rescan found, and whether the tower is behind.
	notifyPause = 15 * time.Second
)

// notifier tells other plugins what happens. How far it came is in the store: what
// happened while nobody could be told is told later, and after a crash the last
// may be told twice.
type notifier struct {
	tower    *tower.Tower
	follower *chain.Follower
	tell     func(ctx context.Context, topic string, payload any) error
	log      *slog.Logger
	wake     chan struct{}
	alarm    alarm
}

// Wake says that something may have happened. It never blocks.
func (n *notifier) Wake() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notifier) run(ctx context.Context) {
	since, err := n.tower.Behind(ctx)
	if n.alarm.since, err = parseSince(since, err); err != nil {
		n.log.Warn("what other plugins know can't be read", "err", err)
	}
	n.alarm.on = !n.alarm.since.IsZero()
	tick := time.NewTicker(notifyPause)
	defer tick.Stop()
	for failed := false; ; {
		err := n.tellEvents(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			n.log.Warn("other plugins can't be told what happens; trying again", "err", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		case <-tick.C:
			n.checkBehind(ctx, time.Now())
		}
	}
}

func parseSince(text string, err error) (time.Time, error) {
	if err != nil || text == "" {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, text)
}

// tellEvents tells all that was not told yet.
func (n *notifier) tellEvents(ctx context.Context) error {
	for {
		list, err := n.tower.Unnoticed(ctx, notifyBatch)
		if err != nil || len(list) == 0 {
			return err
		}
		tip, _, err := n.tower.Tip(ctx)
		if err != nil {
			return err
		}
		for i := range list {
			topic, ours := topicOf[list[i].Kind]
			if !ours {
				continue
			}
			if err := n.tell(ctx, topic, operator.NewNotice(n.tower.ID(), &list[i], tip.Height)); err != nil {
				return err
			}
		}
		if err := n.tower.Noticed(ctx, list[len(list)-1].ID); err != nil {
			return err
		}
	}
}

// behindNotice is the payload of vigil_behind.
type behindNotice struct {
	TowerID      string `json:"tower_id"`
	Behind       bool   `json:"behind"` // false once it is over
	Since        string `json:"since"`
	Height       uint32 `json:"height"`
	SourceHeight uint32 `json:"source_height"`
	BlocksBehind uint32 `json:"blocks_behind"`
	SourceError  string `json:"source_error,omitempty"`
	StoreError   string `json:"store_error,omitempty"`
}

// checkBehind tells when the tower has fallen behind for long, or is so no more.
func (n *notifier) checkBehind(ctx context.Context, now time.Time) {
	notice, trouble := n.state(ctx)
	before := n.alarm
	n.alarm = before.step(now, trouble)
	if ctx.Err() != nil || n.alarm.on == before.on {
		return
	}
	notice.Behind, notice.Since = n.alarm.on, n.alarm.since.UTC().Format(time.RFC3339)
	known := notice.Since
	if !notice.Behind {
		notice.Since, known = before.since.UTC().Format(time.RFC3339), ""
	}
	if err := n.tell(ctx, topicBehind, notice); err != nil {
		n.alarm = before // the next look tells it
		return
	}
	if err := n.tower.SetBehind(ctx, known); err != nil {
		n.log.Debug("that other plugins know of it is not noted", "err", err)
	}
}

func (n *notifier) state(ctx context.Context) (notice behindNotice, trouble bool) {
	notice.TowerID = n.tower.ID().String()
	tip, _, err := n.tower.Tip(ctx)
	status := n.follower.Status()
	notice.Height, notice.SourceHeight = tip.Height, status.Height
	if status.Height > tip.Height && err == nil {
		notice.BlocksBehind = status.Height - tip.Height
	}
	if status.Err != nil {
		notice.SourceError = cut(status.Err.Error())
	}
	notice.StoreError = cut(n.tower.StoreTrouble())
	if err == nil {
		err = n.tower.Readable(ctx)
	}
	if err != nil {
		notice.StoreError = cut(err.Error())
	}
	return notice, notice.BlocksBehind >= behindAlarm || notice.SourceError != "" || notice.StoreError != ""
}

// alarmAfter is how long trouble must last before others are told.
const alarmAfter = 2 * time.Minute

// alarm knows whether trouble has lasted.
type alarm struct {
	on    bool
	since time.Time // the trouble's begin; zero without any
}

// step returns the alarm after a look at a time.
func (a alarm) step(now time.Time, trouble bool) alarm {
	if !trouble {
		return alarm{}
	}
	if a.since.IsZero() {
		a.since = now
	}
	a.on = a.on || now.Sub(a.since) >= alarmAfter
	return a
}
