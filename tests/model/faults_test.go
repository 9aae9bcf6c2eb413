package model

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// forget empties the mempool.
func (c choice) forget() error {
	c.world.dropMempool()
	return nil
}

// prune throws old blocks away, but never those that a reorg here may reach.
func (c choice) prune() error {
	keep := 40 + c.Uint32N(40)
	if best := c.world.chain.Best().Height; best > keep {
		c.world.pruned = max(c.world.pruned, best-keep)
		c.world.chain.Prune(c.world.pruned)
	}
	return nil
}

var errDown = errors.New("the backend is down")

// fail lets faults of any kind befall the next calls.
func (c choice) fail() error {
	c.faulty = true
	call := chaintest.Call(c.IntN(3))
	times := c.pick(1, 2, 3, 10, chaintest.Forever)
	switch c.IntN(5) {
	case 0:
		c.world.chain.Stall(call, times)
	case 1:
		c.world.lied = true // about a hash, perhaps
		c.world.chain.Corrupt(times, choice{Rand: rand.New(rand.NewPCG(c.Uint64(), 0))}.garble)
	case 2:
		c.world.chain.SetNetwork("main")
	case 3:
		c.world.chain.Fail(call, times, chain.ErrNoBlock)
	default:
		c.world.chain.Fail(call, times, errDown)
	}
	return c.wait()
}

// garble changes a block where a hash commits to it: not in a witness, and not
// in the header, which regtest's proof of work guards every other time.
func (c choice) garble(raw []byte) []byte {
	switch c.IntN(4) {
	case 0:
		return raw[:c.IntN(len(raw))]
	case 1:
		return append(raw, 0)
	case 2:
		raw[36+c.IntN(32)] ^= 1 // the merkle root
	default:
		raw[len(raw)-1] ^= 1 // the last lock time
	}
	return raw
}

// lie lets the source serve some other blocks than it is asked for, once each:
// of other heights, of dead branches.
func (c choice) lie() error {
	if c.ref.tip == nil {
		return nil // there is nothing yet by which to tell
	}
	c.faulty, c.world.lied = true, true
	told := make(map[*chain.Block]bool)
	for range c.pick(1, 1, 2, 5) {
		tips := append(slices.Clone(c.world.left), c.world.chain.Best())
		b := tips[c.IntN(len(tips))]
		for n := c.pick(0, 0, 1, 2, 5); n > 0 && b.Height > 1; n-- {
			b = c.world.blocks[b.Prev]
		}
		if told[b] {
			continue
		}
		told[b] = true
		raw, _ := c.world.chain.Raw(b, b.Height)
		c.world.chain.Corrupt(c.IntN(3), func(raw []byte) []byte { return raw }) // the truth in between
		c.world.chain.Corrupt(1, func([]byte) []byte { return raw })
	}
	return c.wait()
}

// deny lets the source have no block at some height near the tip.
func (c choice) deny() error {
	if c.ref.tip == nil {
		return nil
	}
	c.faulty = true
	best := c.world.chain.Best().Height
	for range c.pick(1, 1, 2, 4) {
		c.world.deny(max(1, best+2-min(best+1, c.Uint32N(12))))
	}
	return c.wait()
}

// retune starts the tower anew with other terms.
func (c choice) retune() error {
	if err := c.crash(); err != nil {
		return err
	}
	c.terms.RecentBlocks = []uint32{0, 1, 6, 40, 150}[c.IntN(5)]
	return c.start()
}

// slow lets all calls take their time, or no call any more.
func (c choice) slow() error {
	c.slowed = true
	c.lag.Store(int64(c.pick(0, 0, 3, 20)) * int64(time.Second))
	return nil
}

// refuse lets the backend take no transaction.
func (c choice) refuse() error {
	c.faulty = true
	c.world.chain.Refuse(func(chain.Tx) error { return errDown })
	return nil
}

// disk lets one of the next transactions fail.
func (c choice) disk() error {
	if c.process == nil {
		return nil
	}
	c.armed = true
	c.journal.arm(1+c.Uint32N(6), moment(c.Uint32N(uint32(moments))), false)
	return nil
}

// wait lets time pass, and with it time-outs.
func (c choice) wait() error {
	wait(time.Duration(c.IntN(200)) * time.Second)
	return c.settle()
}

func (c choice) heal() error {
	c.rig.heal()
	return c.settle()
}

// kill ends the process: now, or in one of its next transactions.
func (c choice) kill() error {
	if c.process == nil || c.oneIn(2) {
		return c.crash()
	}
	c.armed = true
	c.journal.arm(1+c.Uint32N(6), moment(c.Uint32N(uint32(moments))), true)
	return nil
}

func (c choice) start() error {
	if err := c.rig.start(); err != nil {
		return err
	}
	return c.settle()
}
