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
	SourceHeight int    `json:"source_height"`
	SourceError  string `json:"source_error"`
	Blind        []struct {
		From int `json:"from"`
		To   int `json:"to"`
	} `json:"blind"`
	Users        int      `json:"users"`
	Appointments int      `json:"appointments"`
	Pending      int      `json:"trackers_pending"`
	Confirmed    int      `json:"trackers_confirmed"`
	Rivalled     int      `json:"trackers_rivalled"`
	Resolved     int      `json:"breaches_resolved"`
	Lost         int      `json:"breaches_lost"`
	API          []string `json:"api"`
	Warnings     []string `json:"warnings"`
}

// TowerInfo asks the tower that a node carries for its state.
func TowerInfo(ctx context.Context, l Lightningd) (info Info, err error) {
	return info, l.Call(ctx, "vigil-info", map[string]any{}, &info)
}
