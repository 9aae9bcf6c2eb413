package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/internal/tower"
)

var infoMethods = []Method{{
	Name:  "info",
	About: "What this tower guards, how far it has seen, and what its operator should act on.",
	Answer: func(ctx context.Context, d *Desk, _ Args) (any, error) {
		info, err := d.Info(ctx)
		var addresses []Address
		if d.Addresses != nil {
			addresses = d.Addresses()
		}
		return newInfo(info, addresses, time.Now()), err
	},
	Lead: glance,
}, selftest}

// Info is what info answers. Heights are block heights, times are as by RFC 3339.
type Info struct {
	// Guarding says that the tower sees every block and records what it does;
	// NotGuarding is why not.
	Guarding    bool   `json:"guarding"`
	NotGuarding string `json:"not_guarding,omitempty"`
	TowerID     string `json:"tower_id"`
	Network     string `json:"network"`
	Version     string `json:"version"`
	// API is where the API listens now, Addresses by what others reach it.
	API          []string     `json:"api"`
	Admin        string       `json:"admin,omitempty"`
	Addresses    []Address    `json:"addresses"`
	HowToOpen    string       `json:"how_to_open,omitempty"`
	LivesInNode  bool         `json:"lives_in_node"`
	Backends     []string     `json:"backends"`
	Height       uint32       `json:"height"`
	SourceHeight uint32       `json:"source_height"`
	Behind       uint32       `json:"blocks_behind"`
	LastBlockAt  string       `json:"last_block_at,omitempty"`
	SourceError  string       `json:"source_error,omitempty"`
	StoreError   string       `json:"store_error,omitempty"`
	RecentFrom   uint32       `json:"recent_from"`
	Blind        []blindRange `json:"blind"`
	Access       string       `json:"access"`
	Knocks       uint64       `json:"knocks"`
	Users        uint64       `json:"users"`
	MaxUsers     uint32       `json:"max_users,omitempty"`
	Appointments uint64       `json:"appointments"`
	Stored       uint64       `json:"stored_bytes"`
	DiskUsed     int64        `json:"disk_used_bytes"`
	DiskFree     int64        `json:"disk_free_bytes"`
	Pending      uint64       `json:"trackers_pending"`
	Refused      uint64       `json:"trackers_refused"`
	RefusedLeft  *uint64      `json:"refused_blocks_left,omitempty"`
	Confirmed    uint64       `json:"trackers_confirmed"`
	Rivalled     uint64       `json:"trackers_rivalled"`
	Resolved     uint64       `json:"breaches_resolved"`
	Lost         uint64       `json:"breaches_lost"`
	Since        string       `json:"since"`
	Started      string       `json:"started"`
	Uptime       int64        `json:"uptime_seconds"`
	Entrances    []Entrance   `json:"entrances"`
	// Failing are those of two backends that do not work.
	Failing  []FailingBackend `json:"failing_backends"`
	Warnings []string         `json:"warnings"`
	// WarningKinds is what each of the warnings is about, in their order.
	WarningKinds []tower.WarningKind `json:"warning_kinds"`
	Limits       []string            `json:"cannot"`
}

// Entrance is a way into the API that the operator configured.
type Entrance struct {
	// Kind is http, https or onion.
	Kind string `json:"kind"`
	// Address is where it is to listen, host:port; of an onion service, its own.
	Address string `json:"address"`
	Open    bool   `json:"open"`
	// Closed is why it is not open.
	Closed string `json:"closed,omitempty"`
}

// FailingBackend is one of two backends, which does not work.
type FailingBackend struct {
	Name string `json:"name"`
	// Since is when it began to fail.
	Since string `json:"since"`
	Error string `json:"error"`
}

// Fails tells whether a backend does not work: the only one, where the chain can't
// be followed.
func (i Info) Fails(backend string) bool {
	if len(i.Backends) == 1 {
		return i.SourceError != ""
	}
	return slices.ContainsFunc(i.Failing, func(f FailingBackend) bool { return f.Name == backend })
}

// full tells whether newcomers are refused, whoever may register.
func (i Info) full() bool { return i.MaxUsers > 0 && i.Users >= uint64(i.MaxUsers) }

// Shut says why nobody can come in, "" where somebody can or nobody should.
func (i Info) Shut() string {
	if len(i.Entrances) == 0 || slices.ContainsFunc(i.Entrances, func(e Entrance) bool { return e.Open }) {
		return ""
	}
	return i.Entrances[0].Closed
}

type blindRange struct {
	From uint32 `json:"from"`
	To   uint32 `json:"to"`
}

// cannot is what no tower of this kind can do, said where its operator looks.
var cannot = []string{
	"claim HTLC outputs: clients hand in penalties for their peer's balance only",
	"raise the fee of a penalty: it is signed by the client",
	"answer with states from before the client registered",
}

// cannotInNode is what a tower besides can't that lives in a node.
const cannotInNode = "guard the node it runs in: it goes down with it"

func newInfo(i tower.Info, addresses []Address, now time.Time) Info {
	b := Info{
		Guarding: i.NotGuarding == "", NotGuarding: i.NotGuarding,
		TowerID: i.ID.String(), Network: i.Network, Version: i.Version,
		API: orEmpty(i.API), Admin: i.Admin, Addresses: orEmpty(addresses), HowToOpen: howToOpen(addresses, i.InNode),
		LivesInNode: i.InNode, Backends: orEmpty(i.Backends),
		Height: i.Height, SourceHeight: i.SourceHeight, LastBlockAt: stamp(i.LastBlock),
		SourceError: i.SourceError, StoreError: i.StoreError,
		RecentFrom: i.RecentFrom, Blind: []blindRange{},
		Access: i.Access, Knocks: i.Knocks, Users: i.Users, MaxUsers: i.MaxUsers, Appointments: i.Appointments, Stored: i.Bytes, DiskUsed: i.DiskUsed, DiskFree: i.DiskFree,
		Pending: i.Pending, Refused: i.Refused, Confirmed: i.Confirmed, Rivalled: i.Rivalled,
		Resolved: i.Resolved, Lost: i.Lost,
		Since: stamp(i.Since), Started: stamp(i.Started), Uptime: int64(now.Sub(i.Started).Seconds()),
		Failing: []FailingBackend{}, Entrances: []Entrance{}, Warnings: []string{}, WarningKinds: []tower.WarningKind{}, Limits: cannot,
	}
	for _, f := range i.Failing {
		b.Failing = append(b.Failing, FailingBackend{Name: f.Name, Since: stamp(f.Since), Error: f.Error})
	}
	for _, e := range i.Entrances {
		b.Entrances = append(b.Entrances, Entrance(e))
	}
	for _, w := range i.Warnings {
		b.Warnings, b.WarningKinds = append(b.Warnings, w.Text), append(b.WarningKinds, w.Kind)
	}
	if i.InNode {
		b.Limits = append([]string{cannotInNode}, cannot...)
	}
	if i.RefusedUntil > 0 {
		left := max(i.RefusedUntil, uint64(i.Height)+1) - uint64(i.Height) - 1
		b.RefusedLeft = &left
	}
	if i.SourceHeight > i.Height {
		b.Behind = i.SourceHeight - i.Height
	}
	for _, r := range i.Blind {
		b.Blind = append(b.Blind, blindRange(r))
	}
	return b
}

// howToOpen says what to do where only this machine reaches the tower.
func howToOpen(addresses []Address, inNode bool) string {
	if len(addresses) == 0 || slices.ContainsFunc(addresses, func(a Address) bool { return a.Note != OnlyHere }) {
		return ""
	}
	prefix, where := "", ""
	if inNode {
		prefix, where = "vigil-", "; in lightningd's config beside the plugin's line, and read when lightningd starts"
	}
	return fmt.Sprintf("only this machine reaches the tower: to serve other nodes, let it listen on the network "+
		"(%[1]sapi-bind 0.0.0.0:9814) or offer it as an onion service (%[1]stor-control)%[2]s", prefix, where)
}

// stamp is a time as documents have it; "" where it is not known.
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// glance says what an operator looks for: is it guarding?
func glance(document []byte) string {
	var i Info
	if err := json.Unmarshal(document, &i); err != nil {
		return ""
	}
	var b strings.Builder
	if i.Guarding {
		b.WriteString("Guarding: yes")
		if why := i.Shut(); why != "" {
			b.WriteString(", but no other node can hand anything in: the API does not listen")
		}
		fmt.Fprintf(&b, ". %s of %s, up to block %d of %d.",
			count(i.Appointments, "appointment"), count(i.Users, "user"), i.Height, max(i.Height, i.SourceHeight))
	} else {
		fmt.Fprintf(&b, "Guarding: NO, %s.", i.NotGuarding)
	}
	if open := i.Pending; open > 0 {
		fmt.Fprintf(&b, " %s being answered now.", count(open, "breach is", "breaches are"))
	}
	if i.Lost > 0 {
		fmt.Fprintf(&b, " %s lost.", count(i.Lost, "breach was", "breaches were"))
	}
	if i.full() {
		b.WriteString(" It takes no new user: there are as many as max-users lets in.")
	}
	if n := len(i.Warnings); n > 0 {
		fmt.Fprintf(&b, " See the %s below.", count(uint64(n), "warning"))
	}
	if i.HowToOpen != "" || len(i.Addresses) == 0 || i.Addresses[0].Register == "" {
		return b.String()
	}
	return b.String() + " Other nodes use it by: " + i.Addresses[0].Register
}

// count is a number of things.
func count(n uint64, one string, many ...string) string {
	if n == 1 {
		return "1 " + one
	}
	if len(many) == 0 {
		many = []string{one + "s"}
	}
	return fmt.Sprintf("%d %s", n, many[0])
}

// orEmpty makes an empty list print as one and not as null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
