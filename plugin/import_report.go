package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/mover"
	"vigil/internal/tower"
)

// counted tells how far the reading is.
type counted struct {
	tower.Promises
	out  io.Writer
	n    int
	told time.Time
}

// tellEvery is how often the progress is told.
const tellEvery = 2 * time.Second

// Appointments implements tower.Promises.
func (c *counted) Appointments(ctx context.Context, f func(tower.Promised) error) error {
	c.told = time.Now()
	return c.Promises.Appointments(ctx, func(p tower.Promised) error {
		if c.n++; time.Since(c.told) > tellEvery {
			c.told = time.Now()
			fmt.Fprintf(c.out, "%d appointments read\n", c.n)
		}
		return f(p)
	})
}

// tell reports what was taken and what was not, and what to do next.
func (m *move) tell(ctx context.Context, a tower.Adopted) error {
	users, appointments, trackers, err := m.from.Count(ctx)
	if err != nil {
		return err
	}
	var b []byte
	say := func(format string, args ...any) { b = fmt.Appendf(b, format+"\n", args...) }
	say("tower       %v", teosID(m.from.Key))
	say("network     %s", m.network)
	say("in rust-teos: %d users, %d appointments, %d breaches that are being answered", users, appointments, trackers)
	say("users       %d new, %d renewed, %d here already", a.NewUsers, a.RenewedUsers, a.KnownUsers)
	say("appointments %d new, %d updated, %d here already, %d whose breach was answered here and is over", a.New, a.Updated, a.Known, a.Over)
	say("breaches    %d taken over", a.Breaches)
	for _, what := range sortedKeys(m.from.Oddities) {
		say("            %d appointments %s: kept all the same, they were promised", m.from.Oddities[what], what)
	}
	for _, what := range m.from.NotTaken {
		say("NOT TAKEN   %s", what)
	}
	if len(m.from.NotTaken) == mover.MaxFindings {
		say("NOT TAKEN   and more")
	}
	if m.from.OlderKeys > 0 {
		say("keys        %d older ones are in the store; receipts under them were void before, too", m.from.OlderKeys)
	}
	if m.from.OnionKey != nil {
		say("onion       the key of its onion service comes along: with --tor-control its address stays")
	}
	say("not known   whether each blob answers its dispute: that shows when the dispute comes")
	say("blocks      the tower goes on with block %d", a.FromHeight)
	if a.TakenBack {
		say("            it had been further: those blocks are processed again, for what is new")
	}
	if m.dry {
		say("This was a dry run: nothing was kept.")
	} else {
		say("Now run: vigil tower --network %s --data-dir %s --api-bind ADDRESS:PORT, with the address and port of teosd.", directoryOf(m.network), m.dir)
		say("Don't start teosd again: two towers of one key would each know half.")
	}
	_, err = m.out.Write(b)
	return err
}

func teosID(key *btcec.PrivateKey) string {
	return hex.EncodeToString(key.PubKey().SerializeCompressed())
}

func sortedKeys(m map[string]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
