package main

import (
	"fmt"
	"time"

	"vigil/tests/harness"
)

// askers is how many clients there are at once in target 2.
const askers = 8

// requests measures targets 1 and 2.
func (b *bench) requests() {
	node := harness.StartNode(b, backend())
	node.MineTo(110)
	t, bare := b.newTower(node), b.startBare()
	users := newUsers(8)
	b.register(t, users)
	first := newAdditions(users, 1000) // the first requests of a process tell of its start
	for _, s := range []*served{t, bare} {
		b.load(s, 1, addRequests(s.address, first), phase, nil)
	}
	var last []addition
	for _, load := range []struct{ clients, adds int }{{1, 8_000}, {8, 25_000}, {64, 40_000}} {
		b.say("add_appointment, %d at once", load.clients)
		last = b.adds(t, bare, newAdditions(users, load.adds), load.clients)
	}
	b.asks(t, last)
	b.registrations(t, bare)
}

// adds hands appointments in and returns those that were taken.
func (b *bench) adds(t, bare *served, adds []addition, clients int) (taken []addition) {
	here := &load{tower: t, clients: clients, requests: addRequests(t.address, adds), each: func(i int, body []byte) {
		if i%sampled == 0 {
			b.wantReceipt(t, adds[i], body)
		}
	}}
	least := &load{tower: bare, clients: clients, requests: addRequests(bare.address, adds)}
	c := &contest{loads: []*load{here, least}}
	b.run(c)
	b.verifyAll(t.key, adds, here.result)
	b.tellAdds(clients, here.result, least.result, c.signing())
	for i, a := range here.answers {
		if a.body != nil {
			taken = append(taken, adds[i])
		}
	}
	return taken
}

func (b *bench) wantReceipt(t *served, a addition, body []byte) {
	if err := a.verify(t.key, body); err != nil {
		b.Errorf("a receipt: %v", err)
	}
}

func (b *bench) tellAdds(clients int, r, bare result, floor signing) {
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
	over, least := share(r.cpuEach(), floor.both()), share(bare.cpuEach(), floor.both())
	b.table.judge("1", what+"CPU of the tower for each", times(r.cpuEach(), floor.both()), "at most 1.5 ×", over <= most, least <= most)
	b.table.tell("1", what+"the same over the tower's own signatures", "%s", times(r.cpuEach(), floor.own.both()))
	b.table.tell("1", what+"CPU of a bare tower for each", "%s", times(bare.cpuEach(), floor.both()))
}

// asks measures get_appointment.
func (b *bench) asks(t *served, held []addition) {
	b.say("get_appointment over %d connections", askers)
	held = held[:min(len(held), 12_000)]
	requests := make([][]byte, len(held))
	for i, a := range held {
		requests[i] = post(t.address, "get_appointment", a.user.question(a.locator))
	}
	r := &load{tower: t, clients: askers, requests: requests}
	c := &contest{loads: []*load{r}}
	b.run(c)
	floor := c.signing()
	b.table.tell("2", "get_appointment, 8 at once: throughput", "%.0f/s, p99 %s", r.perSecond(), short(quantile(r.times(), 0.99)))
	b.table.ratio("2", "get_appointment, 8 at once: CPU of the tower for each", r.cpuEach(), floor.recover, 1.3)
	b.table.tell("2", "get_appointment, 8 at once: the same over the tower's own recovery", "%s", times(r.cpuEach(), floor.own.recover))
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
	r, least := &load{tower: t, clients: askers, requests: requests}, &load{tower: bare, clients: askers, requests: bares}
	var commit time.Duration
	c := &contest{loads: []*load{r, least}, note: func() { commit += b.smallCommits(askers) / rounds }}
	b.run(c)
	sign := c.signing().sign
	most := sign*3/2 + commit
	b.table.tell("2", "register, 8 at once: throughput", "%.0f/s, p99 %s", r.perSecond(), short(quantile(r.times(), 0.99)))
	b.table.judge("2", "register, 8 at once: CPU of the tower for each", short(r.cpuEach()),
		fmt.Sprintf("at most 1.5 × %s + %s", short(sign), short(commit)), r.cpuEach() <= most, least.cpuEach() <= most)
	b.table.tell("2", "register, 8 at once: CPU of a bare tower for each", "%s", short(least.cpuEach()))
}
