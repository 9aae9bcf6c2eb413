package tower_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
)

// happened returns the kinds of all events, the first one first, and demands
// that each has what a reader needs.
func (b *bench) happened() string {
	b.t.Helper()
	page, err := b.Events(b.t.Context(), tower.EventQuery{Limit: tower.MaxEvents})
	b.must(err)
	var kinds []string
	for i := len(page.Events) - 1; i >= 0; i-- {
		e := page.Events[i]
		if e.At.IsZero() || e.Height == 0 || e.Detail == "" || e.Row == 0 && e.Kind != tower.EventBlind {
			b.t.Errorf("an event lacks something: %+v", e)
		}
		kinds = append(kinds, string(e.Kind))
	}
	return strings.Join(kinds, " ")
}

func (b *bench) wantHappened(want string) {
	b.t.Helper()
	if got := b.happened(); got != want {
		b.t.Errorf("it happened %q, want %q", got, want)
	}
}

// try notes what the backend said of all that is due.
func (b *bench) try(refused string) {
	b.t.Helper()
	due, tip, err := b.DuePenalties(b.t.Context(), responder.All, 0, 100)
	b.must(err)
	for i := range due {
		due[i].Turned = due[i].Tries == 0 || due[i].Reason != refused || due[i].Accepted != (refused == "")
		due[i].Tries, due[i].TriedAt, due[i].Accepted, due[i].Reason = due[i].Tries+1, tip.Height, refused == "", refused
	}
	b.must(b.NoteTries(b.t.Context(), tip, due))
}

// fork takes blocks back and mines one in their place, with these transactions.
func (b *bench) fork(height uint32, txs ...*wire.MsgTx) {
	b.t.Helper()
	b.chain.Fork(height)
	b.must(b.Disconnect(b.t.Context(), height))
	b.mine(txs...)
}

func TestWhatHappensToABreachIsKept(t *testing.T) {
	dispute := chaintest.Dispute(1)
	penalty, rival := chaintest.Penalty(dispute, 0), chaintest.Penalty(dispute, 7)
	for name, c := range map[string]struct {
		play func(b *bench)
		want string
	}{
		"resolved": {func(b *bench) { b.mine(penalty); b.mineEmpty(99) }, "found confirmed resolved"},
		"lost":     {func(b *bench) { b.mine(rival); b.mineEmpty(99) }, "found rivalled lost"},
		"tried": {func(b *bench) {
			for _, refused := range []string{"full", "full", "fee", "", "", "full"} {
				b.try(refused)
			}
		}, "found refused refused accepted refused"},
		"the penalty undone": {func(b *bench) { b.mine(penalty); b.fork(11); b.mine(penalty) },
			"found confirmed reorged confirmed"},
		"the dispute undone": {func(b *bench) { b.try(""); b.fork(10); b.mine(dispute) },
			"found accepted reorged returned"},
		"both undone": {func(b *bench) { b.mine(rival); b.fork(10); b.mine(dispute); b.mine(penalty) },
			"found rivalled reorged returned confirmed"},
		"replaced": {func(b *bench) {
			other := dispute.Copy()
			other.LockTime++
			b.fork(10, other)
			b.mineEmpty(99)
		}, "found reorged replaced dropped"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for range 3 {
				b.register(alice)
			}
			b.add(alice, appointment(alice, 1, 0))
			b.wantHappened("")
			b.mine(dispute)
			b.wantHappened("found")
			c.play(b)
			b.wantHappened(c.want)
			page, err := b.Breaches(t.Context(), tower.BreachQuery{Limit: 1})
			b.must(err)
			if dropped := strings.HasSuffix(c.want, "dropped"); dropped != (len(page.Breaches) == 0) ||
				!dropped && len(page.Breaches[0].History) != len(strings.Fields(c.want)) {
				t.Errorf("the breaches are %+v", page.Breaches)
			}
		})
	}
}

func TestALateBreachAndAnUnanswerableOneAreKept(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	junk := appointment(alice, 2, 0)
	junk.EncryptedBlob = make([]byte, 300)
	b.add(alice, junk)
	b.mine(chaintest.Dispute(1), chaintest.Dispute(2))
	b.add(alice, appointment(alice, 1, 0))
	b.wantHappened("unanswerable found")
	b.fork(10)
	b.wantHappened("unanswerable found dropped")
}

func TestBlocksThatWereNeverSeenAreKept(t *testing.T) {
	b := newBench(t)
	b.chain.MineEmpty(8)
	b.must(b.Begin(t.Context(), b.chain.Best()))
	b.wantHappened("blind")
}

func TestABlockThatFailsHasNotHappened(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.add(alice, appointment(alice, 1, 0))
	full := errors.New("full")
	err := b.store.Update(t.Context(), func(tx tower.Tx) error {
		err := responder.Track(tx, 1, towertest.Tx(chaintest.Dispute(1)), 11, towertest.Tx(chaintest.Penalty(chaintest.Dispute(1), 0)))
		return errors.Join(err, full)
	})
	if !errors.Is(err, full) {
		t.Fatal(err)
	}
	b.wantHappened("")
}

func TestEventsArePaged(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	var disputes []*wire.MsgTx
	for n := range uint32(5) {
		b.add(alice, appointment(alice, n, 0))
		disputes = append(disputes, chaintest.Dispute(n))
	}
	b.mine(disputes...)
	seen := map[int64]bool{}
	q := tower.EventQuery{Limit: 2}
	for more := true; more; {
		page, err := b.Events(t.Context(), q)
		b.must(err)
		for _, e := range page.Events {
			seen[e.ID] = true
		}
		more, q.Before = page.More, page.Events[len(page.Events)-1].ID
	}
	if len(seen) != 5 {
		t.Errorf("pages have %d events", len(seen))
	}
	for _, q := range []tower.EventQuery{{}, {Limit: tower.MaxEvents + 1}, {Limit: 1, Before: -1}} {
		_, err := b.Events(t.Context(), q)
		b.wantCause(err, teos.WrongType, 0)
	}
}

func TestEvidenceStaysAfterTheBreachIsOver(t *testing.T) {
	b := newBench(t)
	var receipts []tower.Acceptance
	users := []towertest.User{alice, towertest.NewUser(3, teos.V2), bob}
	for _, u := range users {
		for range 3 {
			b.register(u)
		}
		receipts = append(receipts, b.add(u, appointment(u, 1, 0)))
	}
	dispute := chaintest.Dispute(1)
	b.mine(dispute)
	for _, state := range []tower.BreachState{tower.Pending, tower.Confirmed, tower.Resolved} {
		for i, u := range users {
			id := u.ID()
			a := appointment(u, 1, 0)
			page, err := b.Evidence(t.Context(), a.Locator, &id)
			b.must(err)
			if len(page.Evidence) != 1 || page.More || page.Evidence[0].Kept == nil {
				t.Fatalf("%s: %+v", state, page)
			}
			e := page.Evidence[0]
			if e.State != state || e.User != id || e.Kept.Dialect != u.Dialect || e.Receipt != receipts[i].Signature ||
				string(e.Kept.EncryptedBlob) != string(a.EncryptedBlob) || e.Kept.UserSignature != receipts[i].UserSignature ||
				e.Kept.StartBlock != receipts[i].StartBlock || e.ToSelfDelay != a.ToSelfDelay ||
				string(e.Kept.DisputeRaw) != string(chaintest.Bytes(dispute)) ||
				string(e.PenaltyRaw) != string(chaintest.Bytes(chaintest.Penalty(dispute, 0))) {
				t.Errorf("%s, user %d: %+v", state, i, e)
			}
		}
		if page, err := b.Evidence(t.Context(), appointment(alice, 1, 0).Locator, nil); err != nil || len(page.Evidence) != 2 {
			t.Errorf("of both users of v2: %+v, %v", page, err)
		}
		if state == tower.Pending {
			b.mine(chaintest.Penalty(dispute, 0))
		} else {
			b.mineEmpty(99)
		}
	}
	_, err := b.Evidence(t.Context(), appointment(alice, 2, 0).Locator, nil)
	b.wantCause(err, teos.NotFound, 0)
}
