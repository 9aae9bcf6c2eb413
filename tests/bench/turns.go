package main

import "time"

const (
	// phase is for how long a load lasts at most, rounds in how many parts it is cut.
	phase  = 5 * time.Second
	rounds = 5
	// sampled of so many receipts one is verified while the clock runs.
	sampled = 100
)

// contest are loads that are compared with each other and with what signatures, and
// what else is noted, take. A shared machine may be half as fast a second later: so
// all of them go by turns, a part of each in every round.
type contest struct {
	loads []*load
	note  func() // once in each round

	floor  signing // the mean of all
	floors int
}

// load is one of requests to one tower.
type load struct {
	tower    *served
	clients  int
	requests [][]byte
	each     func(n int, body []byte) // is called with each answer
	result
}

// run plays the contest. Each round has its own requests, of which those are left over
// that did not find time.
func (b *bench) run(c *contest) {
	b.Helper()
	c.measure()
	for round := range rounds {
		for _, l := range c.loads {
			l.join(b.part(l, round))
			c.measure()
		}
		if c.note != nil {
			c.note()
		}
	}
}

func (c *contest) measure() {
	c.floor = c.floor.plus(measureSigning(different / 4))
	c.floors++
}

// signing is what signatures took on average.
func (c *contest) signing() signing { return c.floor.over(c.floors) }

func (b *bench) part(l *load, round int) result {
	b.Helper()
	from, to := round*len(l.requests)/rounds, (round+1)*len(l.requests)/rounds
	var each func(int, []byte)
	if l.each != nil {
		each = func(n int, body []byte) { l.each(from+n, body) }
	}
	return b.load(l.tower, l.clients, l.requests[from:to], phase/rounds, each)
}
