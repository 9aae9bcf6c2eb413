package towerapi

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vigil/inspector"
	"vigil/internal/tower"
)

// listing is the answer to get_subscription_info of a user whose appointments fill
// more than a page of the core's. It is written page by page, so that it takes no
// more memory, and no transaction takes longer, the more there are. Each page is of
// a moment of its own: what comes or goes meanwhile may be in one list only.
type listing struct {
	ask   inspector.GetSubscriptionInfo
	first tower.Subscription
}

func (s *Server) subscriptionInfo(ctx context.Context, body []byte) (any, error) {
	r, err := s.check.GetSubscriptionInfo(body)
	if err != nil {
		return nil, err
	}
	first, err := s.tower.GetSubscriptionInfo(ctx, r)
	if err != nil {
		return nil, err
	}
	if first.Next != 0 {
		return &listing{r, first}, nil
	}
	return NewSubscriptionInfo(first), nil
}

// writeListing sends a listing. Where a page can't be had, or the client does not
// read, the connection is closed before the answer is whole, which no client takes
// for one.
func (s *Server) writeListing(ctx context.Context, w http.ResponseWriter, l *listing) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusOK)
	pages := &pages{s: s, ctx: context.WithoutCancel(ctx), w: w, listing: l, until: time.Now().Add(s.timing.write)}
	_, err := fmt.Fprintf(w, `{"available_slots":%d,"subscription_expiry":%d`, l.first.Slots, l.first.Expiry)
	for _, name := range []string{"locators", "appointments"} {
		if err == nil {
			err = pages.write(name)
		}
	}
	if err == nil {
		_, err = w.Write([]byte("}"))
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// pages is a listing that is being written.
type pages struct {
	*listing
	s     *Server
	ctx   context.Context //nolint:containedctx // that of the request
	w     http.ResponseWriter
	until time.Time // when what was written must be out
}

// write writes one of the two lists, which are the same.
func (p *pages) write(name string) error {
	out := fmt.Appendf(nil, `,"%s":[`, name)
	for page := p.first; ; {
		for i, l := range page.Locators {
			if i > 0 {
				out = append(out, ',')
			}
			out = hex.AppendEncode(append(out, '"'), l[:])
			out = append(out, '"')
		}
		next := page.Next
		if next == 0 {
			out = append(out, ']')
		}
		if _, err := p.w.Write(out); err != nil || next == 0 {
			return err
		}
		var err error
		if page, err = p.read(next); err != nil {
			return err
		}
		if out = out[:0]; len(page.Locators) > 0 {
			out = append(out, ',')
		}
	}
}

var errSentAway = errors.New("others want the place")

// read returns a page, in its turn, and gives the client time to take it.
func (p *pages) read(next int64) (tower.Subscription, error) {
	p.until = p.until.Add(p.s.timing.page)
	if !connIn(p.ctx).goOn(p.until) {
		return tower.Subscription{}, errSentAway
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.s.timing.core)
	defer cancel()
	e := p.s.endpoints[infoPath]
	if !e.turns.take(ctx, p.s.timing.core) {
		return tower.Subscription{}, errTooMany
	}
	defer e.turns.giveBack()
	return p.s.tower.GetSubscriptionInfo(ctx, p.ask.From(next))
}
