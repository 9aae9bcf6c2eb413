package main

import (
	"fmt"
	"time"

	"vigil/tests/harness"
)

const (
	// askers is how many clients there are at once in target 2.
	askers = 8
	// phase is for how long each load lasts at most.
	phase = 5 * time.Second
	// sampled of so many receipts one is verified while the clock runs.
	sampled = 100
)

// requests measures targets 1 and 2.
func (b *bench) requests() {
	node := harness.StartNode(b, backend())
	node.MineTo(110)
	t, bare := b.newTower(node), b.startBare()
	users := newUsers(8)
	b.register(t, users)
	last, _ := b.addLoad(t, users, 1, 1000) // the first requests of a process tell of its start
	b.load(bare, 1, addRequests(bare.address, last), phase, nil)
	for _, load := range []struct{ clients, adds int }{{1, 8_000}, {8, 25_000}, {64, 40_000}} {
		b.say("add_appointment, %d at once", load.clients)
		var r measured
		last, r = b.addLoad(t, users, load.clients, load.adds)
		b.tellAdds(load.clients, r, b.measured(bare, load.clients, addRequests(bare.address, last), nil))
	}
	b.asks(t, last)
	b.registrations(t, bare)
}

// addLoad hands appointments in and returns those that were taken.
func (b *bench) addLoad(t *served, users []user, clients, n int) ([]addition, measured) {
	adds := newAdditions(users, n)
	r := b.measured(t, clients, addRequests(t.address, adds), func(i int, body []byte) {
		if i%sampled == 0 {
			b.wantReceipt(t, adds[i], body)
		}
	})
	b.verifyAll(t.key, adds, r.result)
	return adds[:r.asked], r
}

// measured is a load, and what signatures took while it lasted.
type measured struct {
	result
	floor signing
}

// signatures are those of an appointment, by btcec.
func (m measured) signatures() time.Duration { return m.floor.recover + m.floor.sign }

func (b *bench) measured(t *served, clients int, requests [][]byte, each func(n int, body []byte)) (m measured) {
	b.Helper()
	m.floor = around(func() { m.result = b.load(t, clients, requests, phase, each) })
	return m
}

func (b *bench) wantReceipt(t *served, a addition, body []byte) {
	if err := a.verify(t.key, body); err != nil {
		b.Errorf("a receipt: %v", err)
	}
}

func (b *bench) tellAdds(clients int, r, bare measured) {
	what := fmt.Sprintf("add_appointment, %d at once: ", clients)
	took := r.times()
	p50, p99, longest := quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1)
	rate := map[int]float64{1: 700, 64: 3000}[clients]
	figure := fmt.Sprintf("%.0f/s", r.perSecond())
	if rate > 0 {
		b.table.hold("1", what+"throughput", figure, fmt.Sprintf("at least %.0f/s", rate), r.perSecond() >= rate)
	} else {
		b.table.tell("1", what+"throughput", "%s", figure)
	}
	figure = fmt.Sprintf("%s / %s / %s", short(p50), short(p99), short(longest))
	if clients == 64 {
		b.table.hold("1", what+"p50 / p99 / longest", figure, "p99 under 50 ms", p99 < 50*time.Millisecond)
	} else {
		b.table.tell("1", what+"p50 / p99 / longest", "%s", figure)
	}
	const most = 1.5
	over, least := share(r.cpuEach(), r.signatures()), share(bare.cpuEach(), bare.signatures())
	b.table.judge("1", what+"CPU of the tower for each", times(r.cpuEach(), r.signatures()), "at most 1.5 ×", over <= most, least <= most)
	b.table.tell("1", what+"the same over the tower's own signatures", "%s", times(r.cpuEach(), r.floor.own.recover+r.floor.own.sign))
	b.table.tell("1", what+"CPU of a bare tower for each", "%s", times(bare.cpuEach(), bare.signatures()))
}

// asks measures get_appointment.
func (b *bench) asks(t *served, held []addition) {
	b.say("get_appointment over %d connections", askers)
	held = held[:min(len(held), 12_000)]
	requests := make([][]byte, len(held))
	for i, a := range held {
		requests[i] = post(t.address, "get_appointment", a.user.question(a.locator))
	}
	r := b.measured(t, askers, requests, nil)
	b.table.tell("2", "get_appointment, 8 at once: throughput", "%.0f/s, p99 %s", r.perSecond(), short(quantile(r.times(), 0.99)))
	b.table.ratio("2", "get_appointment, 8 at once: CPU of the tower for each", r.cpuEach(), r.floor.recover, 1.3)
	b.table.tell("2", "get_appointment, 8 at once: the same over the tower's own recovery", "%s", times(r.cpuEach(), r.floor.own.recover))
}

// registrations measures register, of new users.
func (b *bench) registrations(t, bare *served) {
	b.say("register over %d connections", askers)
	users := make([]user, 10_000)
	requests, bares := make([][]byte, len(users)), make([][]byte, len(users))
	for i := range users {
		users[i] = newUser(dialects[i%2], fmt.Sprint("registers ", i))
		requests[i] = post(t.address, "register", users[i].registration())
		bares[i] = post(bare.address, "register", users[i].registration())
	}
	r := b.measured(t, askers, requests, nil)
	least := b.measured(bare, askers, bares, nil)
	commit := b.smallCommits(askers)
	most := func(m measured) time.Duration { return m.floor.sign*3/2 + commit }
	b.table.tell("2", "register, 8 at once: throughput", "%.0f/s, p99 %s", r.perSecond(), short(quantile(r.times(), 0.99)))
	b.table.judge("2", "register, 8 at once: CPU of the tower for each", short(r.cpuEach()),
		fmt.Sprintf("at most 1.5 × %s + %s", short(r.floor.sign), short(commit)), r.cpuEach() <= most(r), least.cpuEach() <= most(least))
	b.table.tell("2", "register, 8 at once: CPU of a bare tower for each", "%s", short(least.cpuEach()))
}
