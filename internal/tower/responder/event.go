package responder

// EventKind says what happened, in one word.
type EventKind string

// What happens to a breach.
const (
	// EventFound: the dispute is in a block, or was when the appointment came.
	EventFound EventKind = "found"
	// EventReturned: a reorg had taken the dispute out, and it is in a block
	// again.
	EventReturned EventKind = "returned"
	// EventAccepted: the backend took the penalty, for the first time or after
	// it was refused or undone.
	EventAccepted EventKind = "accepted"
	// EventRefused: the backend refused the penalty, for the first time or for
	// another reason than before.
	EventRefused EventKind = "refused"
	// EventConfirmed, EventRivalled and EventReplaced: see Spend.
	EventConfirmed EventKind = "confirmed"
	EventRivalled  EventKind = "rivalled"
	EventReplaced  EventKind = "replaced"
	// EventReorged: a reorg undid a spend, or took the dispute out.
	EventReorged EventKind = "reorged"
	// EventDropped: it was no breach of the appointment after all, or can't be
	// told any more; the appointment is watched again.
	EventDropped EventKind = "dropped"
	// EventResolved and EventLost: the penalty is buried, or what took its
	// place. The breach is over.
	EventResolved EventKind = "resolved"
	EventLost     EventKind = "lost"
)

// Event is what happened to a breach, or, where Row is 0, to the tower.
type Event struct {
	// Row is that of the appointment.
	Row int64
	// Height is the tip's when it happened, or that of its block.
	Height uint32
	Kind   EventKind
	// Detail is for a reader: a transaction's id, a reason.
	Detail string
}

// spent is the event of a spend.
func spent(t *Tracker) Event {
	e := Event{Row: t.Row, Height: t.SpentAt}
	switch t.Spend {
	case ByPenalty:
		e.Kind, e.Detail = EventConfirmed, "the penalty is in a block"
	case ByRival:
		e.Kind, e.Detail = EventRivalled, "spent by "+t.Spender.String()
	default:
		e.Kind, e.Detail = EventReplaced, "the dispute was replaced by "+t.Spender.String()
	}
	return e
}

// answered is the event of a try at the tip's height.
func answered(t *Tracker) Event {
	if t.Accepted {
		return Event{t.Row, t.TriedAt, EventAccepted, "the backend has taken the penalty"}
	}
	return Event{t.Row, t.TriedAt, EventRefused, t.Reason}
}

// Note records a try, and what is new of it as an event.
func Note(s Store, t Tracker, tip uint32) error {
	noted, err := s.NoteTry(t)
	if err != nil || !noted || !t.Turned {
		return err
	}
	e := answered(&t)
	e.Height = tip
	return s.AddEvent(e)
}

// Undo makes undone whatever was decided above a fork.
func Undo(s Store, fork uint32) error {
	undone, err := s.DecidedAbove(fork)
	if err != nil {
		return err
	}
	for i := range undone {
		e := Event{undone[i].Row, fork, EventReorged, "a reorg took the dispute out of the chain"}
		if undone[i].DisputeAt <= fork {
			e.Detail = "a reorg took " + undone[i].Spender.String() + " out of the chain"
		}
		if err := s.AddEvent(e); err != nil {
			return err
		}
	}
	return s.UndoAbove(fork)
}
