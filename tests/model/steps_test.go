package model

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/towertest"
)

// op names what a step does.
type op string

// step is one of a sequence. All that it chooses follows from N and from where
// the sequence has come to.
type step struct {
	Do op
	N  uint32
}

// choice is a step that is being made.
type choice struct {
	*rig
	*rand.Rand
}

// ops are all steps and how often they are made.
var ops = []struct {
	do   op
	odds int
	make func(choice) error
}{
	{"register", 5, choice.register},
	{"add", 22, choice.add},
	{"late", 4, choice.late},
	{"again", 5, choice.again},
	{"breach", 14, choice.breach},
	{"mine", 8, choice.mine},
	{"confirm", 10, choice.confirm},
	{"empty", 6, choice.empty},
	{"bury", 4, choice.bury},
	{"reorg", 10, choice.reorg},
	{"shrink", 2, choice.shrink},
	{"flap", 4, choice.flap},
	{"forget", 2, choice.forget},
	{"prune", 1, choice.prune},
	{"fail", 4, choice.fail},
	{"lie", 2, choice.lie},
	{"deny", 2, choice.deny},
	{"retune", 2, choice.retune},
	{"slow", 3, choice.slow},
	{"refuse", 2, choice.refuse},
	{"disk", 3, choice.disk},
	{"wait", 2, choice.wait},
	{"heal", 6, choice.heal},
	{"kill", 5, choice.kill},
	{"start", 8, choice.start},
}

func (r *rig) make(s step) error {
	c := choice{r, rand.New(rand.NewPCG(uint64(s.N), 0))}
	for _, o := range ops {
		if o.do == s.Do {
			return o.make(c)
		}
	}
	return fmt.Errorf("no such step: %q", s.Do)
}

// steps makes a sequence up.
func steps(rng *rand.Rand, n int) []step {
	total := 0
	for _, o := range ops {
		total += o.odds
	}
	made := []step{{"start", rng.Uint32()}, {"register", rng.Uint32()}}
	for len(made) < n {
		i, at := 0, rng.IntN(total)
		for ; at >= ops[i].odds; i++ {
			at -= ops[i].odds
		}
		made = append(made, step{ops[i].do, rng.Uint32()})
	}
	return made
}

func (c choice) oneIn(n int) bool { return c.IntN(n) == 0 }

func (c choice) pick(ns ...int) int { return ns[c.IntN(len(ns))] }

// news tells the tower, as a rule, that the chain has changed, and lets it do
// what that means before the next step, as a rule.
func (c choice) news() error {
	if c.process == nil {
		return nil
	}
	if !c.oneIn(8) {
		c.follower.Hint()
	}
	if c.oneIn(6) {
		return nil
	}
	return c.settle()
}

func (c choice) register() error {
	if c.process == nil {
		return nil
	}
	n, d := c.IntN(clients)+1, teos.Dialect(c.IntN(2)+1)
	e := &event{kind: registering, user: n, dialect: d}
	got, err := c.tower.Register(with(c.t.Context(), e), towertest.NewUser(byte(n), d).Register(c.t))
	e.check = func(want answer) error {
		if err != nil || want.cause != 0 {
			return differ("answer to register", causeOf(err), want.cause)
		}
		return errors.Join(differ("slots", got.Slots, want.slots), differ("start", got.Start, want.start),
			differ("expiry", got.Expiry, want.expiry), signedByTower(want.signed, got.Signature))
	}
	return c.answered(err)
}

// answered settles, after an answer that must not be a failure of the tower.
func (c choice) answered(err error) error {
	if causeOf(err) == teos.Internal && !c.armed {
		return fmt.Errorf("a request failed: %w", err)
	}
	if c.oneIn(6) {
		return nil
	}
	return c.settle()
}

func (c choice) add() error {
	if c.process == nil {
		return c.start()
	}
	n := c.IntN(clients) + 1
	if _, cause := c.ref.who(n); cause != 0 && !c.oneIn(4) {
		return c.register()
	}
	p := c.plan(n)
	c.plans = append(c.plans, asked{n, p})
	return c.request(n, p)
}

// late adds an appointment after its dispute, while no block can be had.
func (c choice) late() error {
	late := c.lately()
	if c.process == nil || late == nil {
		return nil
	}
	c.faulty = true
	err := []error{errDown, chain.ErrNoBlock}[c.IntN(2)]
	c.world.chain.Fail(chaintest.BlockCall, c.pick(1, 2, 3, 4, chaintest.Forever), err)
	n := c.IntN(clients) + 1
	p := c.planFor(n, late[0], late[1])
	c.plans = append(c.plans, asked{n, p})
	return c.request(n, p)
}

// again repeats a request of some time before.
func (c choice) again() error {
	if c.process == nil || len(c.plans) == 0 {
		return nil
	}
	p := c.plans[c.IntN(len(c.plans))]
	return c.request(p.user, p.plan)
}

func (c choice) request(n int, p *plan) error {
	me := towertest.NewUser(byte(n), teos.V2)
	e := &event{kind: adding, user: n, plan: p}
	got, err := c.tower.AddAppointment(with(c.t.Context(), e), me.Add(c.t, p.Appointment))
	e.check = func(want answer) error {
		if err != nil || want.cause != 0 {
			return differ("answer to add_appointment", causeOf(err), want.cause)
		}
		return errors.Join(differ("slots", got.Slots, want.slots), differ("start block", got.StartBlock, want.start),
			differ("expiry", got.Expiry, want.expiry), differ("locator", got.Locator, p.Locator),
			signedByTower(want.signed, got.Signature))
	}
	return c.answered(err)
}

// plan makes an appointment up.
func (c choice) plan(n int) *plan {
	channel, number := c.Uint32N(channels), c.Uint32N(commitments)
	if late := c.lately(); len(late) > 0 && c.oneIn(3) {
		channel, number = late[0], late[1]
	}
	return c.planFor(n, channel, number)
}

// planFor makes one up for a commitment, in either byte order, honest as a rule.
func (c choice) planFor(n int, channel, number uint32) *plan {
	dispute := commitment(channel, number)
	p := &plan{dispute: dispute.TxHash(), penalty: penalty(channel, number, c.Uint32N(penalties))}
	if p.void = c.oneIn(12); p.void {
		p.penalty = voidPenalty(channel, number)
	}
	size := c.pick(1, 1, 1, 1900, 2100, 4300)
	p.penalty.TxIn[0].Witness = stuffed(size)
	v1, v2 := locators(p.dispute)
	p.Locator = [...]teos.Locator{v1, v2}[c.IntN(2)]
	p.ToSelfDelay = towertest.MinDelay + c.Uint32N(2)
	plain, key := serialized(p.penalty), p.dispute
	switch lie := c.IntN(16); lie {
	case 0: // junk
		plain = bytes.Repeat([]byte{1}, 70+size)
	case 1: // answers another commitment
		plain = serialized(penalty(channel, 1-number, 0))
	case 2: // is longer than a transaction
		plain = append(plain, 0)
	case 3: // does not decrypt
		key = closing(channel).TxHash()
	default:
		p.EncryptedBlob = teos.EncryptBlob(teos.Dialect(c.IntN(2)+1), key, plain)
		return c.signed(n, p)
	}
	p.penalty, p.void = nil, false
	p.EncryptedBlob = teos.EncryptBlob(teos.V2, key, plain)
	return c.signed(n, p)
}

// lately returns a channel and a commitment that was mined in the last blocks.
func (c choice) lately() []uint32 {
	for b, n := c.world.chain.Best(), c.ref.terms.RecentBlocks+2; n > 0 && b.Height > 0; b, n = c.world.blocks[b.Prev], n-1 {
		for i := range uint32(channels * commitments) {
			if channel, number := i/commitments, i%commitments; holds(b, commitment(channel, number).TxHash()) {
				return []uint32{channel, number}
			}
		}
	}
	return nil
}

func (c choice) signed(n int, p *plan) *plan {
	p.signature = teos.Sign(towertest.Key(byte(n)), p.Message())
	return p
}

// some returns some transactions, parents first.
func (c choice) some(oneIn int) []*wire.MsgTx {
	return slices.DeleteFunc(c.world.all(), func(*wire.MsgTx) bool { return !c.oneIn(oneIn) })
}

func (c choice) mine() error {
	c.world.mine(c.some(c.pick(4, 12, 12))...)
	return c.news()
}

// breach mines a dispute of some appointment, and perhaps what spends it.
func (c choice) breach() error {
	if len(c.plans) == 0 {
		return nil
	}
	dispute := c.world.known[c.plans[c.IntN(len(c.plans))].plan.dispute]
	with := []*wire.MsgTx{dispute}
	if c.oneIn(4) {
		with = append(with, c.some(4)...)
	}
	c.world.mine(with...)
	return c.news()
}

// confirm mines what the mempool holds, all or in part.
func (c choice) confirm() error {
	waiting := c.world.pool()
	if c.oneIn(3) {
		waiting = slices.DeleteFunc(waiting, func(*wire.MsgTx) bool { return c.oneIn(2) })
	}
	c.world.mine(waiting...)
	return c.news()
}

func (c choice) empty() error {
	for range c.pick(1, 1, 2, 5, 9) {
		c.world.mine()
	}
	return c.news()
}

// bury mines about as many blocks as a burial takes.
func (c choice) bury() error {
	for range c.pick(30, 95, 99, 100, 110) {
		c.world.mine()
	}
	return c.news()
}

// reorg leaves some blocks for a branch of another length, which holds some of
// what they held, earlier or later, and other things.
func (c choice) reorg() error {
	depth := c.back()
	var held []*wire.MsgTx
	for b, n := c.world.chain.Best(), depth; n > 0; b, n = c.world.blocks[b.Prev], n-1 {
		for _, tx := range b.Txs[1:] {
			held = append(held, c.world.known[tx.ID])
		}
	}
	slices.Reverse(held)
	c.world.fork(depth)
	for range max(1, int(depth)+c.pick(-1, 0, 0, 1, 1, 1, 3)) {
		var txs []*wire.MsgTx
		switch c.IntN(4) {
		case 0:
			txs = held
		case 1:
			txs = c.some(10)
		case 2:
			txs = append(slices.DeleteFunc(slices.Clone(held), func(*wire.MsgTx) bool { return c.oneIn(2) }), c.some(20)...)
		}
		c.world.mine(txs...)
	}
	return c.news()
}

// back is how deep a fork is: never so deep that the first block goes.
func (c choice) back() uint32 {
	return min(uint32(c.pick(1, 1, 1, 2, 2, 3, 4, 6, 9, 20)), c.world.chain.Best().Height-1)
}

// shrink leaves some blocks, and nothing is in their place yet.
func (c choice) shrink() error {
	c.world.fork(c.back())
	return c.news()
}

func (c choice) flap() error {
	c.world.flap(c.Uint32())
	return c.news()
}
