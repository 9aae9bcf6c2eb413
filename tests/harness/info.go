package harness

import (
	"context"
)

// Info is vigil-info, or what `vigil info` prints.
type Info struct {
	TowerID      string `json:"tower_id"`
	Network      string `json:"network"`
	Version      string `json:"version"`
	Height       int    `json:"height"`
	RecentFrom   int    `json:"recent_from"`
	SourceHeight int    `json:"source_height"`
	SourceError  string `json:"source_error"`
	Blind        []struct {
		From int `json:"from"`
		To   int `json:"to"`
	} `json:"blind"`
	Users        int      `json:"users"`
	Appointments int      `json:"appointments"`
	Pending      int      `json:"trackers_pending"`
	Refused      int      `json:"trackers_refused"`
	Confirmed    int      `json:"trackers_confirmed"`
	Rivalled     int      `json:"trackers_rivalled"`
	Resolved     int      `json:"breaches_resolved"`
	Lost         int      `json:"breaches_lost"`
	API          []string `json:"api"`
	Access       string   `json:"access"`
	Knocks       int      `json:"knocks"`
	Admin        string   `json:"admin"`
	Guarding     bool     `json:"guarding"`
	NotGuarding  string   `json:"not_guarding"`
	Entrances    []struct {
		Kind    string `json:"kind"`
		Address string `json:"address"`
		Open    bool   `json:"open"`
		Closed  string `json:"closed"`
	} `json:"entrances"`
	Warnings     []string `json:"warnings"`
	WarningKinds []string `json:"warning_kinds"`
}

// TowerInfo asks the tower that a node carries for its state.
func TowerInfo(ctx context.Context, l Lightningd) (info Info, err error) {
	return info, l.Call(ctx, "vigil-info", map[string]any{}, &info)
}

// Breach is one of vigil-breaches, or of what `vigil breaches` prints.
type Breach struct {
	State         string `json:"state"`
	UserID        string `json:"user_id"`
	Locator       string `json:"locator"`
	DisputeTxid   string `json:"dispute_txid"`
	DisputeHeight int    `json:"dispute_height"`
	ToSelfDelay   int    `json:"to_self_delay"`
	BlocksLeft    *int   `json:"blocks_left"`
	PenaltyTxid   string `json:"penalty_txid"`
	Tries         int    `json:"tries"`
	TriedHeight   int    `json:"tried_height"`
	Reason        string `json:"reason"`
	Doubtful      bool   `json:"doubtful"`
	SpenderTxid   string `json:"spender_txid"`
	SpentHeight   int    `json:"spent_height"`
	Confirmations int    `json:"confirmations"`
	OverHeight    int    `json:"over_height"`
	OverAt        string `json:"over_at"`
}

// breachPage is a page of vigil-breaches.
type breachPage struct {
	Height   int      `json:"height"`
	Breaches []Breach `json:"breaches"`
	Next     int64    `json:"next"`
}

// allBreaches asks page by page.
func allBreaches(ask func(before int64) (breachPage, error)) (all []Breach, err error) {
	var before int64
	for {
		page, err := ask(before)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Breaches...)
		if before = page.Next; before == 0 {
			return all, nil
		}
	}
}
