package tower

import (
	"context"
	"fmt"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower/responder"
)

// What happens beside the kinds of responder.Event.
const (
	// EventUnanswerable: the dispute is in a block, and the appointment's blob
	// holds no penalty for it.
	EventUnanswerable responder.EventKind = "unanswerable"
	// EventBlind: blocks were never seen. It is an event of the tower.
	EventBlind responder.EventKind = "blind"
)

func blind(from, to uint32) responder.Event {
	return responder.Event{Height: to, Kind: EventBlind, Detail: fmt.Sprintf("blocks %d to %d were never seen", from, to)}
}

// over is the event of a breach that is over at a height.
func over(tr *responder.Tracker, height uint32) responder.Event {
	e := responder.Event{Row: tr.Row, Height: height}
	switch tr.Spend {
	case responder.ByPenalty:
		e.Kind, e.Detail = responder.EventResolved, "the penalty is 100 blocks deep"
	case responder.ByRival:
		e.Kind, e.Detail = responder.EventLost, "what took the penalty's place is 100 blocks deep"
	default:
		e.Kind, e.Detail = responder.EventDropped, "what replaced the dispute is 100 blocks deep; the appointment is watched again"
	}
	return e
}

// Event is one that was kept.
type Event struct {
	// ID grows from event to event.
	ID int64
	At time.Time
	responder.Event
	// Locator is that of the appointment; of no meaning where Row is 0.
	Locator teos.Locator
	// Repeats is how many like it came before and are not kept.
	Repeats uint32
}

// EventStore keeps what happened. See responder.Store.AddEvent.
type EventStore interface {
	// Events returns those below an id, the last one first.
	Events(before int64, limit int) ([]Event, error)
	// EventsAfter returns those above an id, in order.
	EventsAfter(id int64, limit int) ([]Event, error)
	// History returns those of an appointment, in order.
	History(row int64) ([]Event, error)
	// LastEvent returns the highest id that was given; 0 before the first.
	LastEvent() (int64, error)
	// CutEvents deletes some of the oldest where there are too many.
	CutEvents() error
}

// MaxEvents is how many events one page may have.
const MaxEvents = 1000

// EventQuery asks for events, the last ones first.
type EventQuery struct {
	// Before is the id of the last event of the page before; 0 for the
	// first page.
	Before int64
	// Limit is how many are wanted, 1 to MaxEvents.
	Limit int
}

// EventPage is a page of events.
type EventPage struct {
	Events []Event
	// More tells whether there is a next page.
	More bool
}

// Events returns what happened lately, newest first.
func (t *Tower) Events(ctx context.Context, q EventQuery) (page EventPage, err error) {
	if q.Limit < 1 || q.Limit > MaxEvents || q.Before < 0 {
		return page, teos.Errorf(teos.WrongType, "limit must be 1 to %d, before the \"next\" of the page before", MaxEvents)
	}
	err = t.store.View(ctx, func(tx Tx) (err error) {
		page.Events, err = tx.Events(q.Before, q.Limit+1)
		return err
	})
	if page.More = len(page.Events) > q.Limit; page.More {
		page.Events = page.Events[:q.Limit]
	}
	return page, err
}
