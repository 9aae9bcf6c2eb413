package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"vigil/inspector"
	"vigil/internal/cln"
	"vigil/internal/operator"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/towerrpc"
	"vigil/internal/watchroom"
	"vigil/towerapi"
)

// methods are what lightningd offers to lightning-cli. The first five carry
// the names of the protocol and answer what the HTTP API answers; the others are
// the operator's.
func (n *node) methods() []cln.Method {
	list := []cln.Method{
		n.method("register", "user_id",
			"Start or extend a subscription for a public key (hex). Named, public_key instead of user_id registers a client of python-teos.",
			[]string{"user_id"}, register),
		n.method("add_appointment", "appointment signature",
			"Hand an appointment in: {locator, encrypted_blob, to_self_delay} and the user's signature over it.",
			[]string{"appointment", "signature"}, addAppointment),
		n.method("get_appointment", "locator signature",
			"Ask for an appointment: its locator and the user's signature over \"get appointment LOCATOR\".",
			[]string{"locator", "signature"}, getAppointment),
		n.method("delete_appointment", "locator signature",
			"End an appointment, and get its slots back: its locator and the user's signature over \"delete appointment LOCATOR\".",
			[]string{"locator", "signature"}, deleteAppointment),
		n.method("get_subscription_info", "signature",
			"Ask for a subscription by the user's signature over \"get subscription info\".",
			[]string{"signature"}, getSubscriptionInfo),
	}
	for _, m := range operator.Methods() {
		list = append(list, n.method(prefix+m.Name, m.Usage(), m.About, names(m), question(m)))
	}
	return list
}

func names(m operator.Method) []string {
	var list []string
	for _, p := range m.Params {
		list = append(list, p.Name)
	}
	return list
}

// question makes a method of the operator one that lightning-cli may call.
func question(m operator.Method) inspect {
	return func(_ *inspector.Inspector, params []byte) (request, error) {
		_, err := m.Parse(params)
		return func(ctx context.Context, c *towerrpc.Client) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, m.Patience())
			defer cancel()
			return c.Ask(ctx, m.Name, params)
		}, err
	}
}

// byNameOnly are parameters that have no position.
var byNameOnly = map[string][]string{"register": {"public_key"}}

// checkTimeout bounds the look-up of a user's dialect for `lightning-cli check`.
const checkTimeout = 5 * time.Second

// request is a checked call: it is sent inward by calling it.
type request func(context.Context, *towerrpc.Client) (any, error)

// inspect turns parameters into a request, or says what is wrong with them.
type inspect func(i *inspector.Inspector, params []byte) (request, error)

func (n *node) method(name, usage, description string, positional []string, check inspect) cln.Method {
	parse := func(params json.RawMessage) (request, error) {
		body, err := object(params, positional, byNameOnly[name])
		if err != nil {
			return nil, err
		}
		rules := n.rules.Load()
		if rules == nil {
			return nil, n.notRunning()
		}
		return check(inspector.New(rules.limits), body)
	}
	return cln.Method{
		Name: name, Usage: usage, Description: description,
		Check: func(params json.RawMessage) error {
			_, err := parse(params)
			ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
			defer cancel()
			return n.toRPC(ctx, err)
		},
		Handle: func(ctx context.Context, params json.RawMessage) (any, error) {
			began := time.Now()
			result, err := n.serve(ctx, parse, params)
			if w := n.watch.Load(); w != nil {
				w.metrics.Request(watchroom.RPC, strings.TrimPrefix(name, prefix), err, time.Since(began))
			}
			return result, n.toRPC(ctx, err)
		},
	}
}

func (n *node) serve(ctx context.Context, parse func(json.RawMessage) (request, error), params json.RawMessage) (any, error) {
	call, err := parse(params)
	if err != nil {
		return nil, err
	}
	client := n.client.Load()
	if client == nil {
		return nil, n.notRunning()
	}
	return call(ctx, client)
}

func (n *node) notRunning() error {
	reason := *n.reason.Load()
	if lasts(reason) {
		return teos.Errorf(teos.Unavailable, "the tower does not run: %v", reason)
	}
	return teos.Errorf(teos.Unavailable, "the tower does not run now: %v; try again in a few seconds", reason)
}

func register(i *inspector.Inspector, params []byte) (request, error) {
	r, err := i.Register(params)
	return func(ctx context.Context, c *towerrpc.Client) (any, error) {
		out, err := c.Register(ctx, r.ByOperator())
		return towerapi.NewRegistered(out), err
	}, err
}

func addAppointment(i *inspector.Inspector, params []byte) (request, error) {
	r, err := i.AddAppointment(params)
	return func(ctx context.Context, c *towerrpc.Client) (any, error) {
		out, err := c.AddAppointment(ctx, r)
		return towerapi.NewAccepted(out), err
	}, err
}

func getAppointment(i *inspector.Inspector, params []byte) (request, error) {
	r, err := i.GetAppointment(params)
	return func(ctx context.Context, c *towerrpc.Client) (any, error) {
		out, err := c.GetAppointment(ctx, r)
		return towerapi.NewFound(out), err
	}, err
}

func deleteAppointment(i *inspector.Inspector, params []byte) (request, error) {
	r, err := i.DeleteAppointment(params)
	return func(ctx context.Context, c *towerrpc.Client) (any, error) {
		out, err := c.DeleteAppointment(ctx, r)
		return towerapi.NewDeleted(out), err
	}, err
}

// maxListed is how many locators lightningd is handed at once: it keeps an answer in
// memory, several times. The HTTP door sends any number, piece by piece.
const maxListed = 100_000

func getSubscriptionInfo(i *inspector.Inspector, params []byte) (request, error) {
	r, err := i.GetSubscriptionInfo(params)
	return func(ctx context.Context, c *towerrpc.Client) (any, error) {
		out, err := whole(func(after int64) (tower.Subscription, error) { return c.GetSubscriptionInfo(ctx, r.From(after)) })
		return towerapi.NewSubscriptionInfo(out), err
	}, err
}

// whole puts all pages of a listing into one. The first is that after 0.
func whole(page func(after int64) (tower.Subscription, error)) (all tower.Subscription, err error) {
	all, err = page(0)
	for next := all.Next; err == nil && next != 0; {
		var more tower.Subscription
		more, err = page(next)
		all.Locators, next = append(all.Locators, more.Locators...), more.Next
		if len(all.Locators) > maxListed {
			return all, teos.Errorf(teos.TooLarge, "this user has more than %d appointments, too many for lightning-cli: ask the HTTP API", maxListed)
		}
	}
	return all, err
}

// toRPC makes a JSON-RPC error with the code of the user's dialect, as the
// HTTP door does.
func (n *node) toRPC(ctx context.Context, err error) error {
	var e *teos.Error
	if !errors.As(err, &e) {
		return err
	}
	d := e.Dialect
	client, rules := n.client.Load(), n.rules.Load()
	if !d.Known() && e.User != nil && client != nil {
		if known, err := client.Dialect(ctx, *e.User); err == nil {
			d = known
		}
	}
	if rules != nil {
		d = d.Or(rules.api.codes)
	}
	return &cln.Error{Code: e.Cause.Code(d), Message: e.Text}
}
