package operator

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
)

var accessMethods = []Method{invite, invites, uninvite, allow, disallow, allowed, knocks, remove, renew}

// slotsAndBlocks are what a registration adds.
func slotsAndBlocks(of string) []Param {
	return []Param{
		number("slots", "Slots that "+of+" adds; 0 for the tower's subscription-slots.", "0", 0, math.MaxUint32),
		number("blocks", "Blocks that "+of+" adds; 0 for the tower's subscription-duration.", "0", 0, math.MaxUint32),
	}
}

// pageParams are those of a list.
func pageParams(what string) []Param {
	return []Param{
		number("limit", "Most "+what+" to list.", "100", 1, tower.MaxPage),
		number("after", "The \"next\" of the page before.", "0", 0, math.MaxInt64),
	}
}

func pageQuery(a Args) tower.PageQuery {
	return tower.PageQuery{After: arg[int64](a, "after"), Limit: int(arg[int64](a, "limit"))}
}

// next is what the next page is asked for with, 0 where there is none.
func next[T any](p tower.Page[T], row func(T) int64) int64 {
	if !p.More {
		return 0
	}
	return row(p.Entries[len(p.Entries)-1])
}

var invite = Method{
	Name:  "invite",
	About: "Makes an invitation: a token by which keys may register though not everybody may, and what their owners type. The token is shown this once.",
	Params: append(slotsAndBlocks("a registration with it"),
		number("uses", "How many keys it admits.", "1", 1, math.MaxUint32),
		text("note", "For whom it is, for your own eyes.", tower.MaxNote)),
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		token, row, err := d.Tower.Invite(ctx, gatekeeper.Invitation{
			Slots: uint32(arg[int64](a, "slots")), Blocks: uint32(arg[int64](a, "blocks")),
			Uses: uint32(arg[int64](a, "uses")), Note: arg[string](a, "note"),
		})
		if err != nil {
			return nil, err
		}
		return d.invited(token, row, arg[int64](a, "uses")), nil
	},
}

// Invited is what invite answers.
type Invited struct {
	Invitation int64  `json:"invitation"`
	Token      string `json:"token"`
	Uses       int64  `json:"uses"`
	// Addresses are the tower's, with the token in them.
	Addresses []Address `json:"addresses"`
	// Path is what clients put before the API's paths that can.
	Path string `json:"path"`
	Note string `json:"note,omitempty"`
}

func (d *Desk) invited(token teos.Token, row, uses int64) Invited {
	in := Invited{Invitation: row, Token: string(token), Uses: uses, Addresses: []Address{}, Path: "/i/" + string(token)}
	var all []Address
	if d.Addresses != nil {
		all = d.Addresses()
	}
	for _, a := range all {
		if named, ok := withToken(a, token, d.Tower.ID()); ok {
			in.Addresses = append(in.Addresses, named)
		}
	}
	if len(in.Addresses) == 0 {
		in.Note = "clients show the token as the first label of the host's name, so they need a name that leads here with any label before it " +
			"(a wildcard DNS record, or an onion service): set public-address or tor-control; to an IP address no label can be added. " +
			"Or let your friend try to register, and allow the key that knocks shows"
	}
	return in
}

// withToken puts a token before the name of a host. An address that is no name has
// no place for it.
func withToken(a Address, token teos.Token, id teos.UserID) (Address, bool) {
	host, port, err := net.SplitHostPort(a.Address)
	if err != nil {
		return a, false
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return a, false
	}
	a.Address = net.JoinHostPort(string(token)+"."+host, port)
	if a.Register != "" {
		a.Register = fmt.Sprintf("lightning-cli registertower %v@%s", id, a.Address)
	}
	return a, true
}

var invites = Method{
	Name:   "invites",
	About:  "The invitations that you made, and how often they were used.",
	Params: pageParams("invitations"),
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		page, err := d.Tower.Invitations(ctx, pageQuery(a))
		out := Invitations{Invitations: []Invitation{}, Next: next(page, func(i gatekeeper.Invitation) int64 { return i.Row })}
		for _, i := range page.Entries {
			out.Invitations = append(out.Invitations, Invitation{
				i.Row, i.Used, i.Uses, i.Slots, i.Blocks, stamp(i.Created), i.Note,
			})
		}
		return out, err
	},
}

// Invitations is what invites answers.
type Invitations struct {
	Invitations []Invitation `json:"invitations"`
	Next        int64        `json:"next,omitempty"`
}

// Invitation is one of them; slots and blocks are 0 where the tower's terms hold.
type Invitation struct {
	Invitation int64  `json:"invitation"`
	Used       uint32 `json:"used"`
	Uses       uint32 `json:"uses"`
	Slots      uint32 `json:"slots"`
	Blocks     uint32 `json:"blocks"`
	CreatedAt  string `json:"created_at"`
	Note       string `json:"note,omitempty"`
}

var uninvite = Method{
	Name:   "uninvite",
	About:  "Ends an invitation. Whom it admitted stays admitted: see disallow and remove.",
	Params: []Param{required(number("invitation", "Its number, as invites shows it.", "", 1, math.MaxInt64))},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		row := arg[int64](a, "invitation")
		return map[string]int64{"ended": row}, d.Tower.Uninvite(ctx, row)
	},
}

var allow = Method{
	Name:  "allow",
	About: "Lets a key register though not everybody may, or though you disallowed or removed it.",
	Params: []Param{
		required(user("user_id", "The public key.")),
		text("note", "Whose it is, for your own eyes.", tower.MaxNote),
	},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		id := arg[teos.UserID](a, "user_id")
		return map[string]string{"allowed": id.String()}, d.Tower.Allow(ctx, id, arg[string](a, "note"))
	},
}

var disallow = Method{
	Name:   "disallow",
	About:  "Keeps a key out: what it has handed in stays watched until its subscription ends, and it can't renew that or register again, whoever else may.",
	Params: []Param{required(user("user_id", "The public key."))},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		id := arg[teos.UserID](a, "user_id")
		return map[string]string{"disallowed": id.String()}, d.Tower.Disallow(ctx, id)
	},
}

var allowed = Method{
	Name:   "allowed",
	About:  "The keys that may register though not everybody may, allowed by you or admitted by an invitation; and those that you disallowed.",
	Params: pageParams("keys"),
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		page, err := d.Tower.Admitted(ctx, pageQuery(a))
		out := AllowedKeys{Allowed: []AllowedKey{}, Next: next(page, func(a tower.Admitted) int64 { return a.Row })}
		for _, e := range page.Entries {
			out.Allowed = append(out.Allowed, AllowedKey{e.User.String(), e.Refused, e.Invitation, stamp(e.At), e.Note})
		}
		return out, err
	},
}

// AllowedKeys is what allowed answers.
type AllowedKeys struct {
	Allowed []AllowedKey `json:"allowed"`
	Next    int64        `json:"next,omitempty"`
}

// AllowedKey is one of them, or one that you disallowed; the invitation is absent
// where you decided.
type AllowedKey struct {
	UserID     string `json:"user_id"`
	Disallowed bool   `json:"disallowed,omitempty"`
	Invitation int64  `json:"invitation,omitempty"`
	At         string `json:"admitted_at"`
	Note       string `json:"note,omitempty"`
}

var knocks = Method{
	Name:   "knocks",
	About:  "The keys that tried to register and may not; allow lets one in.",
	Params: pageParams("keys"),
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		page, err := d.Tower.Knocks(ctx, pageQuery(a))
		out := KnocksList{Knocks: []KnockEntry{}, Next: next(page, func(k tower.Knock) int64 { return k.Row })}
		for _, k := range page.Entries {
			out.Knocks = append(out.Knocks, KnockEntry{k.User.String(), k.Address, stamp(k.First), stamp(k.Last), k.Times})
		}
		return out, err
	},
}

// KnocksList is what knocks answers.
type KnocksList struct {
	Knocks []KnockEntry `json:"knocks"`
	Next   int64        `json:"next,omitempty"`
}

// KnockEntry is one of them.
type KnockEntry struct {
	UserID  string `json:"user_id"`
	Address string `json:"address,omitempty"`
	FirstAt string `json:"first_at"`
	LastAt  string `json:"last_at"`
	Times   uint64 `json:"times"`
}

var remove = Method{
	Name:   "remove",
	About:  "Ends a user now: its subscription, and all that is watched for it. Its key can't register again until you allow it. Breaches that are being answered are answered to their end.",
	Params: []Param{required(user("user_id", "The user's public key."))},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		id := arg[teos.UserID](a, "user_id")
		r, err := d.Tower.Remove(ctx, id)
		return Removed{id.String(), r.Appointments, r.Answering}, err
	},
}

// Removed is what remove answers.
type Removed struct {
	UserID string `json:"user_id"`
	// Appointments are not watched any more; Answering are breaches that are
	// answered to their end.
	Appointments uint64 `json:"appointments_dropped"`
	Answering    uint64 `json:"breaches_still_answered"`
}

var renew = Method{
	Name:   "renew",
	About:  "Extends a user's subscription, as if it had registered again. The limits for users hold.",
	Params: append([]Param{required(user("user_id", "The user's public key."))}, slotsAndBlocks("the renewal")...),
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		u, err := d.Tower.Renew(ctx, arg[teos.UserID](a, "user_id"),
			uint32(arg[int64](a, "slots")), uint32(arg[int64](a, "blocks")))
		return Renewed{u.ID.String(), u.Slots, u.Expiry}, err
	},
}

// Renewed is what renew answers.
type Renewed struct {
	UserID string `json:"user_id"`
	Slots  uint32 `json:"available_slots"`
	Expiry uint32 `json:"subscription_expiry"`
}
