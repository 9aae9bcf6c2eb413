package tower

import (
	"context"
	"strconv"
)

// Names of what is noted of what other plugins were told: the id of the last event,
// and since when they know that the tower is behind.
const (
	noticedKey = "noticed"
	behindKey  = "behind"
)

// Notice is an event with the breach that it is about, as that is now; nil where
// there is none, or none any more.
type Notice struct {
	Event
	Breach *Breach
}

// Unnoticed returns events that were not noticed yet, in order.
func (t *Tower) Unnoticed(ctx context.Context, limit int) (list []Notice, err error) {
	err = t.store.View(ctx, func(tx Tx) error {
		text, err := tx.Identity(noticedKey)
		if err != nil {
			return err
		}
		var last int64
		if text != "" {
			if last, err = strconv.ParseInt(text, 10, 64); err != nil {
				return err
			}
		}
		events, err := tx.EventsAfter(last, limit)
		if err != nil {
			return err
		}
		list, err = notices(tx, events)
		return err
	})
	return list, err
}

func notices(tx Tx, events []Event) ([]Notice, error) {
	list := make([]Notice, 0, len(events))
	for i := range events {
		n := Notice{Event: events[i]}
		b, found, err := tx.BreachIn(n.Row)
		if err != nil {
			return nil, err
		}
		if found {
			if b.History, err = tx.History(n.Row); err != nil {
				return nil, err
			}
			n.Breach = &b
		}
		list = append(list, n)
	}
	return list, nil
}

// Noticed notes that all events up to an id were noticed.
func (t *Tower) Noticed(ctx context.Context, id int64) error {
	return t.note(ctx, noticedKey, strconv.FormatInt(id, 10))
}

// Behind returns since when others know that the tower is behind, as SetBehind
// noted it; "" where they don't, or it is not.
func (t *Tower) Behind(ctx context.Context) (since string, err error) {
	err = t.store.View(ctx, func(tx Tx) (err error) {
		since, err = tx.Identity(behindKey)
		return err
	})
	return since, err
}

// SetBehind notes since when others know it.
func (t *Tower) SetBehind(ctx context.Context, since string) error {
	return t.note(ctx, behindKey, since)
}

func (t *Tower) note(ctx context.Context, name, value string) error {
	return t.wrote(t.store.Update(ctx, func(tx Tx) error { return tx.SetIdentity(name, value) }))
}
