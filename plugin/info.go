package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"vigil/internal/tower"
	"vigil/internal/towerrpc"
)

// infoTimeout bounds what asks a running tower.
const infoTimeout = 10 * time.Second

const aboutInfo = `Asks the tower that runs in a data directory what it guards and how far it
has seen, and prints what the method vigil-info answers, as JSON. For a tower
inside a node the directory is vigil in lightningd's network directory, as in
  vigil info --data-dir ~/.lightning/bitcoin/vigil`

// infoCommand is `vigil info`.
func infoCommand(ctx context.Context, args []string, out io.Writer) error {
	r, err := parseFlags("info", aboutInfo, args, pick("network", "data-dir"), out)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return ask(ctx, r, out, func(ctx context.Context, c *towerrpc.Client) (any, error) {
		info, err := c.Info(ctx)
		return newInfoBody(info), err
	})
}

// ask asks the tower that runs in a data directory and prints its answer.
func ask(ctx context.Context, r raw, out io.Writer, call request) error {
	if canonical(r["network"]) == "" {
		return fmt.Errorf("--network must be bitcoin, testnet, testnet4, signet or regtest, is %q", r["network"])
	}
	dir, err := dataDir(r)
	if err != nil {
		return err
	}
	client, err := towerrpc.Dial(filepath.Join(dir, socketFile))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	answer, err := call(ctx, client)
	if err = errors.Join(err, client.Close()); err != nil {
		return fmt.Errorf("no tower answers in %s: is it running, and is this its directory (--data-dir, --network)?", dir)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "   ")
	return encoder.Encode(answer)
}

func pick(names ...string) []option {
	var list []option
	for _, name := range names {
		for _, o := range options {
			if o.name == name {
				list = append(list, o)
			}
		}
	}
	return list
}

// infoBody is what vigil-info answers. Heights are block heights.
type infoBody struct {
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

func newInfoBody(i tower.Info) infoBody {
	b := infoBody{
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
