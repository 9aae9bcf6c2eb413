package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/responder"
	"vigil/internal/towerrpc"
)

// defaultBreaches is how many breaches a page has if nobody says.
const defaultBreaches = 100

const aboutBreaches = `Lists the breaches that a running tower answers or has answered, those of the
newest appointments first, as the method vigil-breaches does, as JSON.`

// breachFlags are the options of `vigil breaches` beside those that find the
// tower, and the parameters of vigil-breaches, in this order.
var breachFlags = []option{
	{name: "state", help: "Only breaches in this state: pending, refused, confirmed, rivalled, replaced, resolved or lost."},
	{name: "limit", fallback: strconv.Itoa(defaultBreaches), help: "Most breaches to list, up to 1000."},
	{name: "before", help: "The \"next\" of the page before."},
}

// breachesCommand is `vigil breaches`.
func breachesCommand(ctx context.Context, args []string, out io.Writer) error {
	r, err := parseFlags("breaches", aboutBreaches, args, append(breachFlags, pick("network", "data-dir")...), out)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	q, err := breachQuery(r)
	if err != nil {
		return err
	}
	return ask(ctx, r, out, func(ctx context.Context, c *towerrpc.Client) (any, error) {
		page, err := c.Breaches(ctx, q)
		return newBreachesBody(page), err
	})
}

func breachQuery(r raw) (q tower.BreachQuery, err error) {
	q.State, q.Limit = tower.BreachState(r["state"]), defaultBreaches
	if limit := r["limit"]; limit != "" {
		if q.Limit, err = strconv.Atoi(limit); err != nil {
			return q, teos.Errorf(teos.WrongType, "limit must be a number, is %.40q", limit)
		}
	}
	if before := r["before"]; before != "" {
		if q.Before, err = strconv.ParseInt(before, 10, 64); err != nil {
			return q, teos.Errorf(teos.WrongType, "before must be a number, is %.40q", before)
		}
	}
	return q, q.Check()
}

// parsedBreachQuery reads the parameters of vigil-breaches.
func parsedBreachQuery(params []byte) (tower.BreachQuery, error) {
	r := raw{}
	if err := json.Unmarshal(params, &r); err != nil {
		return tower.BreachQuery{}, teos.Errorf(teos.WrongType, "state must be a word, limit and before numbers")
	}
	return breachQuery(r)
}

func breaches(_ *inspector.Inspector, params []byte) (request, error) {
	q, err := parsedBreachQuery(params)
	return func(ctx context.Context, c *towerrpc.Client) (any, error) {
		page, err := c.Breaches(ctx, q)
		return newBreachesBody(page), err
	}, err
}

// breachesBody is what vigil-breaches answers.
type breachesBody struct {
	Height   uint32       `json:"height"`
	Breaches []breachBody `json:"breaches"`
	Next     int64        `json:"next,omitempty"`
}

// breachBody is one breach. Transaction ids are as displayed.
type breachBody struct {
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
}

func newBreachesBody(page tower.BreachPage) breachesBody {
	body := breachesBody{Height: page.Height, Breaches: []breachBody{}}
	for i := range page.Breaches {
		body.Breaches = append(body.Breaches, newBreachBody(&page.Breaches[i], page.Height))
	}
	if page.More {
		body.Next = page.Breaches[len(page.Breaches)-1].Row
	}
	return body
}

func newBreachBody(b *tower.Breach, height uint32) breachBody {
	body := breachBody{
		State: b.State, UserID: b.User.String(), Locator: b.Locator.String(),
		DisputeTxid: b.Dispute.ID.String(), DisputeHeight: b.DisputeAt, ToSelfDelay: b.ToSelfDelay,
		PenaltyTxid: b.Penalty.ID.String(), Tries: b.Tries, TriedHeight: b.TriedAt,
		Reason: b.Reason, Doubtful: b.Doubtful,
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
	return body
}
