package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

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

// errLeft says that the import did what it could and left something behind. An
// operator's script must not go on by itself then: the other tower still holds
// promises that this one does not keep.
var errLeft = errors.New("not every promise was taken")

// tell reports what was taken and what was not, and what to do next. It fails with
// errLeft.
func (m *move) tell(ctx context.Context, a tower.Adopted) error {
	users, appointments, trackers, err := m.from.Count(ctx)
	if err != nil {
		return err
	}
	r := &report{}
	r.say("tower", "%v", teosID(m.from.Key))
	r.say("network", "%s", directoryOf(m.network))
	r.say("in rust-teos", "%d users, %d appointments, %d breaches that are being answered", users, appointments, trackers)
	r.say("users", "%d new, %d renewed, %d here already", a.NewUsers, a.RenewedUsers, a.KnownUsers)
	r.say("appointments", "%d new, %d updated, %d here already, %d whose breach was answered here and is over", a.New, a.Updated, a.Known, a.Over)
	r.say("breaches", "%d taken over", a.Breaches)
	m.tellOddities(r)
	r.say("not known", "whether each blob answers its dispute: that shows when the dispute comes")
	r.say("blocks", "the tower goes on with block %d", a.FromHeight)
	if a.TakenBack {
		r.say("", "it had been further: those blocks are processed again, for what is new")
	}
	left := m.left(users, appointments)
	if m.dry {
		r.line("This was a dry run: nothing was kept.")
	} else {
		if left == nil {
			r.line("Now run, with the address and port of teosd: %s", m.next())
		} else {
			r.line("To go on without what was not taken, with the address and port of teosd: %s", m.next())
		}
		r.line("Don't start teosd again: two towers of one key would each know half.")
	}
	_, err = m.out.Write(r.text)
	return errors.Join(err, left)
}

// next is the command to run after an import, as a shell takes it.
func (m *move) next() string {
	line := fmt.Sprintf("vigil tower --network %s --data-dir %s --api-bind ADDRESS:PORT", directoryOf(m.network), shellWord(m.dir))
	for _, option := range m.backend {
		line += " " + shellWord(option)
	}
	return line
}

// shellWord is a word as a shell takes it.
func shellWord(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,") == "" {
		return word
	}
	return single(word)
}

func (m *move) tellOddities(r *report) {
	for _, what := range sortedKeys(m.from.Oddities) {
		r.say("", "%d appointments %s: kept all the same, they were promised", m.from.Oddities[what], what)
	}
	for _, what := range m.from.NotTaken {
		r.say("NOT TAKEN", "%s", what)
	}
	if more := m.from.LeftUsers + m.from.LeftAppointments - len(m.from.NotTaken); more > 0 {
		r.say("NOT TAKEN", "and %d more", more)
	}
	if m.from.OlderKeys > 0 {
		r.say("keys", "%d older ones are in the store; receipts under them were void before, too", m.from.OlderKeys)
	}
	if m.from.OnionKey != nil {
		r.say("onion", "the key of its onion service comes along: with --tor-control its address stays")
	}
}

// left is errLeft where rows were left behind, of so many.
func (m *move) left(users, appointments int) error {
	if m.from.LeftUsers+m.from.LeftAppointments == 0 {
		return nil
	}
	return fmt.Errorf("%w: left behind are %d of %d users and %d of %d appointments, under NOT TAKEN with why; this tower does not watch them",
		errLeft, m.from.LeftUsers, users, m.from.LeftAppointments, appointments)
}

// report is text in two columns.
type report struct{ text []byte }

func (r *report) say(what, format string, args ...any) {
	r.text = fmt.Appendf(r.text, "%-12s ", what)
	r.line(format, args...)
}

func (r *report) line(format string, args ...any) { r.text = fmt.Appendf(r.text, format+"\n", args...) }

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
