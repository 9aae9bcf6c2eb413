package operator

import (
	"context"
	"math"
	"time"

	"vigil/internal/tower"
	"vigil/internal/tower/responder"
)

var breachMethods = []Method{{
	Name:  "breaches",
	About: "The breaches that are being answered or are over, those of the newest appointments first, with tries, last refusal, blocks left, and history.",
	Params: []Param{
		word("state", "Only breaches in this state.", stateWords()...),
		number("limit", "Most breaches to list.", "100", 1, tower.MaxBreaches),
		number("before", "The \"next\" of the page before.", "", 0, math.MaxInt64),
	},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		page, err := d.Tower.Breaches(ctx, tower.BreachQuery{
			State: tower.BreachState(arg[string](a, "state")),
			Limit: int(arg[int64](a, "limit")), Before: arg[int64](a, "before"),
		})
		return newBreaches(page), err
	},
}, {
	Name:  "events",
	About: "What happened lately, newest first: breaches found, penalties accepted, refused, confirmed, undone by reorgs, breaches over, blocks never seen.",
	Params: []Param{
		number("limit", "Most events to list.", "100", 1, tower.MaxEvents),
		number("before", "The \"next\" of the page before.", "", 0, math.MaxInt64),
	},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		page, err := d.Tower.Events(ctx, tower.EventQuery{Limit: int(arg[int64](a, "limit")), Before: arg[int64](a, "before")})
		return NewEvents(page), err
	},
}}

func stateWords() []string {
	var words []string
	for _, s := range tower.BreachStates {
		words = append(words, string(s))
	}
	return words
}

// Breaches is what breaches answers.
type Breaches struct {
	Height   uint32   `json:"height"`
	Breaches []Breach `json:"breaches"`
	Next     int64    `json:"next,omitempty"`
}

// Breach is one breach. Transaction ids are as displayed.
type Breach struct {
	State         tower.BreachState `json:"state"`
	UserID        string            `json:"user_id"`
	Locator       string            `json:"locator"`
	DisputeTxid   string            `json:"dispute_txid"`
	DisputeHeight uint32            `json:"dispute_height"`
	ToSelfDelay   uint32            `json:"to_self_delay"`
	BlocksLeft    *uint32           `json:"blocks_left,omitempty"`
	PenaltyTxid   string            `json:"penalty_txid"`
	Tries         uint32            `json:"tries"`
	TriedHeight   uint32            `json:"tried_height"`
	Reason        string            `json:"reason,omitempty"`
	Doubtful      bool              `json:"doubtful,omitempty"`
	SpenderTxid   string            `json:"spender_txid,omitempty"`
	SpentHeight   uint32            `json:"spent_height,omitempty"`
	Confirmations uint32            `json:"confirmations,omitempty"`
	OverHeight    uint32            `json:"over_height,omitempty"`
	OverAt        string            `json:"over_at,omitempty"`
	History       []Happening       `json:"history"`
}

// Happening is what happened to a breach at some time. Repeats is how often the
// like happened before and is not listed any more.
type Happening struct {
	At      string              `json:"at"`
	Height  uint32              `json:"height"`
	Kind    responder.EventKind `json:"kind"`
	Detail  string              `json:"detail"`
	Repeats uint32              `json:"repeats,omitempty"`
}

// Events is what events answers.
type Events struct {
	Events []Event `json:"events"`
	Next   int64   `json:"next,omitempty"`
}

// Event is what happened, to the breach of a locator or, where there is none, to
// the tower.
type Event struct {
	ID int64 `json:"id"`
	Happening
	Locator string `json:"locator,omitempty"`
}

// NewEvents makes a page of events what the operator is answered.
func NewEvents(page tower.EventPage) Events {
	body := Events{Events: []Event{}}
	for i := range page.Events {
		body.Events = append(body.Events, newEvent(&page.Events[i]))
	}
	if page.More {
		body.Next = page.Events[len(page.Events)-1].ID
	}
	return body
}

func newEvent(e *tower.Event) Event {
	line := Event{ID: e.ID, Happening: newHappening(e)}
	if e.Row != 0 {
		line.Locator = e.Locator.String()
	}
	return line
}

func newHappening(e *tower.Event) Happening {
	return Happening{
		At: e.At.Format(time.RFC3339), Height: e.Height, Kind: e.Kind, Detail: e.Detail, Repeats: e.Repeats,
	}
}

func newBreaches(page tower.BreachPage) Breaches {
	body := Breaches{Height: page.Height, Breaches: []Breach{}}
	for i := range page.Breaches {
		body.Breaches = append(body.Breaches, newBreach(&page.Breaches[i], page.Height))
	}
	if page.More {
		body.Next = page.Breaches[len(page.Breaches)-1].Row
	}
	return body
}

func newBreach(b *tower.Breach, height uint32) Breach {
	body := Breach{
		State: b.State, UserID: b.User.String(), Locator: b.Locator.String(),
		DisputeTxid: b.Dispute.ID.String(), DisputeHeight: b.DisputeAt, ToSelfDelay: b.ToSelfDelay,
		PenaltyTxid: b.Penalty.ID.String(), Tries: b.Tries, TriedHeight: b.TriedAt,
		Reason: b.Reason, Doubtful: b.Doubtful, History: []Happening{},
	}
	if b.Spend != responder.Unspent {
		body.SpenderTxid, body.SpentHeight = b.Spender.String(), b.SpentAt
		body.Confirmations = max(height, b.SpentAt) - b.SpentAt + 1
	} else if b.DisputeAt != 0 {
		left := b.BlocksLeft(height)
		body.BlocksLeft = &left
	}
	if b.Over != 0 {
		body.OverHeight, body.OverAt = b.Over, b.When.Format(time.RFC3339)
	}
	for i := range b.History {
		body.History = append(body.History, newHappening(&b.History[i]))
	}
	return body
}
