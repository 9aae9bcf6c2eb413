package operator

import (
	"context"
	"time"

	"vigil/internal/tower"
)

var infoMethods = []Method{{
	Name:  "info",
	About: "What this tower guards, how far it has seen, and what its operator should act on.",
	Answer: func(ctx context.Context, d *Desk, _ Args) (any, error) {
		info, err := d.Info(ctx)
		return newInfo(info), err
	},
}}

// Info is what info answers. Heights are block heights.
type Info struct {
	TowerID      string       `json:"tower_id"`
	Network      string       `json:"network"`
	Version      string       `json:"version"`
	API          []string     `json:"api"`
	Height       uint32       `json:"height"`
	SourceHeight uint32       `json:"source_height"`
	Behind       uint32       `json:"blocks_behind"`
	SourceError  string       `json:"source_error,omitempty"`
	StoreError   string       `json:"store_error,omitempty"`
	RecentFrom   uint32       `json:"recent_from"`
	Blind        []blindRange `json:"blind"`
	Users        uint64       `json:"users"`
	Appointments uint64       `json:"appointments"`
	Pending      uint64       `json:"trackers_pending"`
	Refused      uint64       `json:"trackers_refused"`
	Confirmed    uint64       `json:"trackers_confirmed"`
	Rivalled     uint64       `json:"trackers_rivalled"`
	Resolved     uint64       `json:"breaches_resolved"`
	Lost         uint64       `json:"breaches_lost"`
	Since        string       `json:"since"`
	Warnings     []string     `json:"warnings"`
	Limits       []string     `json:"cannot"`
}

type blindRange struct {
	From uint32 `json:"from"`
	To   uint32 `json:"to"`
}

// cannot is what no tower of this kind can do, said where its operator looks.
var cannot = []string{
	"guard the node it runs in: it goes down with it",
	"claim HTLC outputs: clients hand in penalties for their peer's balance only",
	"raise the fee of a penalty: it is signed by the client",
	"answer with states from before the client registered",
}

func newInfo(i tower.Info) Info {
	b := Info{
		TowerID: i.ID.String(), Network: i.Network, Version: i.Version, API: orEmpty(i.API),
		Height: i.Height, SourceHeight: i.SourceHeight, SourceError: i.SourceError, StoreError: i.StoreError,
		RecentFrom: i.RecentFrom, Blind: []blindRange{},
		Users: i.Users, Appointments: i.Appointments,
		Pending: i.Pending, Refused: i.Refused, Confirmed: i.Confirmed, Rivalled: i.Rivalled,
		Resolved: i.Resolved, Lost: i.Lost,
		Since: i.Since.Format(time.RFC3339), Warnings: orEmpty(i.Warnings), Limits: cannot,
	}
	if i.SourceHeight > i.Height {
		b.Behind = i.SourceHeight - i.Height
	}
	for _, r := range i.Blind {
		b.Blind = append(b.Blind, blindRange(r))
	}
	return b
}

// orEmpty makes an empty list print as one and not as null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
