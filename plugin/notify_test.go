package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/operator"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
)

// listener is who is told; it may be deaf.
type listener struct {
	topics []string
	last   []byte
	deaf   error
}

func (l *listener) hear(_ context.Context, topic string, payload any) error {
	if l.deaf != nil {
		return l.deaf
	}
	l.topics = append(l.topics, topic)
	var err error
	l.last, err = json.Marshal(payload)
	return err
}

// guarding returns a notifier of a tower over a fake chain, on its first block.
func guarding(t *testing.T, file string, c *chaintest.Chain, l *listener) *notifier {
	t.Helper()
	terms := tower.Terms{Terms: gatekeeper.Terms{Slots: 10, Duration: 1000}, RecentBlocks: 6}
	tw := tower.New(towertest.Key(200), towertest.Open(t, file), terms, towertest.Quiet())
	follower, err := chain.NewFollower(c, tw, chain.Config{Network: "regtest", Log: towertest.Quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return &notifier{tower: tw, follower: follower, tell: l.hear, log: towertest.Quiet()}
}

func (n *notifier) mustTell(t *testing.T) {
	t.Helper()
	if err := n.tellEvents(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestEachEventIsToldOnceAlsoOverARestart(t *testing.T) {
	file, c, l := towertest.File(t), chaintest.New(), &listener{}
	n := guarding(t, file, c, l)
	must(t, n.tower.Begin(t.Context(), c.Best()))
	user := towertest.NewUser(1, teos.V2)
	_, err := n.tower.Register(t.Context(), user.Register(t))
	must(t, err)
	dispute := chaintest.Dispute(1)
	penalty := chaintest.Penalty(dispute, 0)
	_, err = n.tower.AddAppointment(t.Context(), user.Add(t, user.Appointment(dispute, penalty)))
	must(t, err)
	must(t, n.tower.Connect(t.Context(), c.Mine(dispute)))

	l.deaf = errors.New("nobody listens")
	if err := n.tellEvents(t.Context()); !errors.Is(err, l.deaf) {
		t.Fatalf("to nobody: %v", err)
	}
	l.deaf = nil
	n = guarding(t, file, c, l)
	n.mustTell(t)
	n.mustTell(t)
	if len(l.topics) != 1 || l.topics[0] != "vigil_breach" {
		t.Fatalf("told %q", l.topics)
	}
	var told operator.Notice
	must(t, json.Unmarshal(l.last, &told))
	if told.TowerID != n.tower.ID().String() || told.Event.Kind != "found" || told.Breach == nil ||
		told.Event.Locator != told.Breach.Locator || told.Breach.DisputeTxid != dispute.TxHash().String() {
		t.Errorf("told %s", l.last)
	}

	must(t, n.tower.Connect(t.Context(), c.Mine(penalty)))
	for range 99 {
		must(t, n.tower.Connect(t.Context(), c.Mine()))
	}
	n = guarding(t, file, c, l)
	n.mustTell(t)
	n.mustTell(t)
	if len(l.topics) != 3 || l.topics[1] != "vigil_penalty_confirmed" || l.topics[2] != "vigil_resolved" {
		t.Errorf("told %q", l.topics)
	}
}

func TestOthersAreToldThatTheTowerIsBehindAndThatItIsNoMore(t *testing.T) {
	file, c, l := towertest.File(t), chaintest.New(), &listener{}
	n := guarding(t, file, c, l)
	must(t, n.tower.Begin(t.Context(), c.Best()))
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, step := range []struct {
		after   time.Duration
		trouble bool
		on      bool
	}{
		{0, false, false}, {0, true, false}, {alarmAfter - 1, true, false}, {1, false, false},
		{0, true, false}, {alarmAfter, true, true}, {time.Hour, true, true}, {0, false, false}, {0, true, false},
	} {
		now = now.Add(step.after)
		if n.alarm = n.alarm.step(now, step.trouble); n.alarm.on != step.on {
			t.Fatalf("%+v: %+v", step, n.alarm)
		}
	}

	// Another start knows that others know, and tells them that it is over.
	must(t, n.tower.SetBehind(t.Context(), "2026-01-02T03:04:05Z"))
	since, err := n.tower.Behind(t.Context())
	n.alarm.since, err = parseSince(since, err)
	must(t, err)
	n.alarm.on = true
	n.checkBehind(t.Context(), now)
	var told behindNotice
	must(t, json.Unmarshal(l.last, &told))
	if len(l.topics) != 1 || l.topics[0] != topicBehind || told.Behind || told.Since != since {
		t.Errorf("told %q, %s", l.topics, l.last)
	}
	if since, err = n.tower.Behind(t.Context()); err != nil || since != "" {
		t.Errorf("it is known to be behind since %q, %v", since, err)
	}
}

func TestASourceThatFailsForLongIsTold(t *testing.T) {
	c, l := chaintest.New(), &listener{}
	n := guarding(t, towertest.File(t), c, l)
	must(t, n.tower.Begin(t.Context(), c.Best()))
	c.Fail(chaintest.TipCall, chaintest.Forever, errors.New("no bitcoind"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	var followed sync.WaitGroup
	followed.Go(func() { n.follower.Run(ctx) })
	defer followed.Wait()
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n.follower.Status().Err == nil && ctx.Err() == nil {
		<-tick.C
	}
	now := time.Now()
	n.checkBehind(ctx, now)
	if len(l.topics) != 0 {
		t.Fatalf("told at once: %s", l.last)
	}
	l.deaf = errors.New("nobody listens")
	n.checkBehind(ctx, now.Add(alarmAfter))
	l.deaf = nil
	n.checkBehind(ctx, now.Add(alarmAfter+time.Second))
	n.checkBehind(ctx, now.Add(time.Hour))
	var told behindNotice
	must(t, json.Unmarshal(l.last, &told))
	if len(l.topics) != 1 || !told.Behind || !strings.Contains(told.SourceError, "no bitcoind") || told.StoreError != "" ||
		told.Since != now.UTC().Format(time.RFC3339) {
		t.Errorf("told %q, %s", l.topics, l.last)
	}
	if since, err := n.tower.Behind(ctx); err != nil || since != told.Since {
		t.Errorf("it is known to be behind since %q, %v", since, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
