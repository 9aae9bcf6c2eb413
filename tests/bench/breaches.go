package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/bitcoind"
	"vigil/internal/teos"
	"vigil/tests/harness"
)

// mass is a number of breaches and what is asked of the answers to them.
type mass struct {
	breaches, blocks int
	most             time.Duration
}

// singles is how often one breach is measured: the median is told.
const singles = 15

// breachScene is a tower over one node, and a second node with the same chain
// and mempool, on which everything happens first and without a tower.
type breachScene struct {
	*bench
	node, twin     *harness.Node
	source, second *bitcoind.Client
	tower          *served
	users          []user
	height         int // up to which node has twin's chain
}

// breaches measures target 6.
func (b *bench) breaches(full bool) {
	s := &breachScene{bench: b, node: harness.StartNode(b, backend()), twin: harness.StartNode(b, backend())}
	s.source, s.second = b.client(s.node), b.client(s.twin)
	s.twin.MineTo(120)
	s.follow()
	s.tower = b.newTower(s.node)
	s.users = newUsers(8)
	b.register(s.tower, s.users)
	s.single()
	masses := []mass{{100, 1, 500 * time.Millisecond}, {1000, 1, 3 * time.Second}}
	if full {
		masses = append(masses, mass{10_000, 3, 30 * time.Second})
	}
	for _, m := range masses {
		s.many(m)
	}
}

// client is the product's own for a node: what is measured next to it has the
// same costs.
func (b *bench) client(n *harness.Node) *bitcoind.Client {
	b.Helper()
	c, err := bitcoind.New(bitcoind.Config{URL: n.URL(), CookieFile: n.Cookie(), Network: "regtest"})
	b.check("make a client of the node", err)
	b.Cleanup(c.Close)
	return c
}

// follow gives node all blocks that twin has, the last of them included.
func (s *breachScene) follow() {
	s.Helper()
	for tip := s.twin.Height(); s.height < tip; {
		s.height++
		s.submit(s.block(s.height))
	}
}

func (s *breachScene) block(height int) (text string) {
	s.Helper()
	s.check("getblock", s.twin.Call(s.ctx, &text, "getblock", s.twin.BlockHash(height).String(), 0))
	return text
}

func (s *breachScene) submit(block string) {
	s.Helper()
	var verdict *string
	s.check("submitblock", s.node.Call(s.ctx, &verdict, "submitblock", block))
	if verdict != nil {
		s.Fatalf("the node refuses a block: %s", *verdict)
	}
}

// single breaches one channel at a time.
func (s *breachScene) single() {
	s.say("one breach, %d times", singles)
	disputes, penalties := s.prepare(singles)
	var answered, needed []time.Duration
	for i := range singles {
		took, alone := s.play(disputes[i:i+1], penalties[i:i+1], 1)
		answered, needed = append(answered, took), append(needed, alone)
	}
	s.confirm()
	took, alone := quantile(answered, 0.5), quantile(needed, 0.5)
	s.table.tell("6", "one breach, block to mempool, median of 15: with the tower / node and source alone", "%s / %s", short(took), short(alone))
	s.table.hold("6", "one breach: what the tower adds", short(took-alone), "under 30 ms", took-alone < 30*time.Millisecond)
}

// many breaches many channels while appointments are handed in.
func (s *breachScene) many(m mass) {
	s.say("%d breaches", m.breaches)
	disputes, penalties := s.prepare(m.breaches)
	adds := s.addMeanwhile(s.tower, s.users)
	took, alone := s.play(disputes, penalties, m.blocks)
	answers := adds()
	s.confirm()
	what := fmt.Sprintf("%d breaches", m.breaches)
	s.table.atMost("6", what+" in the mempool", took, m.most)
	s.table.tell("6", what+": node and source alone", "%s", short(alone))
	p99 := quantile(answers.took, 0.99)
	s.table.hold("6", what+": adds meanwhile, p99", fmt.Sprintf("%s of %d adds, %d refused", short(p99), len(answers.took), answers.refused),
		"under 200 ms", p99 < 200*time.Millisecond && answers.refused == 0)
}

// prepare makes disputes with their penalties and hands the appointments in.
func (s *breachScene) prepare(n int) (disputes, penalties []*wire.MsgTx) {
	s.Helper()
	const width = 2000
	for len(disputes) < n {
		part := min(width, n-len(disputes))
		fund := s.twin.Wallet.WideDispute(part)
		s.twin.MineBlock(fund)
		for i := range part {
			dispute := s.twin.Wallet.PenaltyAt(fund, i)
			disputes = append(disputes, dispute)
			penalties = append(penalties, s.twin.Wallet.OwnPenalty(dispute))
		}
	}
	s.follow()
	adds := make([]addition, n)
	for i := range adds {
		adds[i] = s.appointment(i, disputes[i], penalties[i])
	}
	s.load(s.tower, 8, addRequests(s.tower.address, adds), time.Minute, nil)
	s.settle(s.tower, s.height)
	return disputes, penalties
}

func (s *breachScene) appointment(i int, dispute, penalty *wire.MsgTx) addition {
	u, id := s.users[i%len(s.users)], dispute.TxHash()
	return u.add(teos.Appointment{Locator: teos.NewLocator(u.dialect, id), ToSelfDelay: 144,
		EncryptedBlob: teos.EncryptBlob(u.dialect, id, harness.TxBytes(penalty))})
}

// play lets disputes confirm. It tells how long it takes from the first block
// handed to the node until all penalties are in its mempool, and how long the
// same takes at twin, where nothing is to be found or decrypted.
func (s *breachScene) play(disputes, penalties []*wire.MsgTx, blocks int) (took, alone time.Duration) {
	s.Helper()
	var texts []string
	for part := range slices.Chunk(disputes, (len(disputes)+blocks-1)/blocks) {
		s.twin.MineBlock(part...)
		texts = append(texts, s.block(s.twin.Height()))
	}
	alone = s.alone(len(texts), penalties)
	before := s.inMempool(s.node)
	start := time.Now()
	for _, text := range texts {
		at := time.Now()
		s.submit(text)
		alone += time.Since(at)
	}
	s.height += len(texts)
	s.await(before + len(penalties))
	return time.Since(start), alone
}

// alone fetches the blocks of the disputes from twin and publishes the
// penalties there, one after the other, by the product's client.
func (s *breachScene) alone(blocks int, penalties []*wire.MsgTx) time.Duration {
	s.Helper()
	tip := s.twin.Height()
	raw := make([][]byte, len(penalties))
	for i, tx := range penalties {
		raw[i] = harness.TxBytes(tx)
	}
	start := time.Now()
	for height := tip - blocks + 1; height <= tip; height++ {
		_, err := s.second.Tip(s.ctx)
		s.check("ask for the tip", err)
		_, err = s.second.Block(s.ctx, uint32(height))
		s.check("fetch a block", err)
	}
	for _, tx := range raw {
		s.check("publish a penalty", s.second.Publish(s.ctx, tx))
	}
	return time.Since(start)
}

// await polls what costs the node little: getrawmempool would hold it up.
func (s *breachScene) await(penalties int) {
	s.Helper()
	tick := time.NewTicker(time.Duration(1+penalties/100) * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Minute)
	for s.inMempool(s.node) < penalties {
		select {
		case <-tick.C:
		case <-deadline:
			s.Fatalf("waited ten minutes: %d of %d penalties are in the mempool", s.inMempool(s.node), penalties)
		case <-s.ctx.Done():
			s.Fatalf("stopped")
		}
	}
}

func (s *breachScene) inMempool(n *harness.Node) int {
	s.Helper()
	var info struct{ Size int }
	s.check("getmempoolinfo", n.Call(s.ctx, &info, "getmempoolinfo"))
	return info.Size
}

// confirm empties both mempools and waits until the tower stands at the tip.
func (s *breachScene) confirm() {
	s.Helper()
	for s.inMempool(s.twin) > 0 {
		s.twin.Mine(1)
	}
	s.follow()
	s.settle(s.tower, s.height)
}
