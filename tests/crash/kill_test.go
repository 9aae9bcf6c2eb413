package crash

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

const (
	defaultKills = 30
	// auditAll is after how many kills everything is read, and breachEvery
	// after how many one of the users is cheated.
	auditAll    = 100
	breachEvery = 10
	maxBreaches = 100
)

// kills is how often the tower is killed: VIGIL_KILLS, or a few dozen times.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("VIGIL_KILLS")
	if text == "" {
		return defaultKills
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("VIGIL_KILLS: %v", err)
	}
	return n
}

// TestKilledAtRandomMoments: under load, and while it starts, the tower is
// killed again and again. No receipt is lost, no slot, nothing is half-done,
// and breaches are answered.
func TestKilledAtRandomMoments(t *testing.T) {
	node := harness.StartNode(t, harness.Btcd())
	breaches := newBreaches(node, min(maxBreaches, kills(t)/breachEvery))
	tower := harness.NewSolo(t, node, harness.PlainVigil(t), filepath.Join(harness.Dir(t), "data"), terms())
	c := newCrowd(t, tower.HTTP())
	start := time.Now()
	for kill := range kills(t) {
		tower.Launch()
		if rand.IntN(4) == 0 { // while it starts
			pause(rand.N(60 * time.Millisecond))
			tower.Kill()
			continue
		}
		ready(t, tower)
		c.audit(t, kill%auditAll == auditAll-1)
		breaches.prepare(t, c, kill)
		c.workUntilKilled(t, tower, breaches)
		if t.Failed() {
			t.Fatalf("at kill %d", kill)
		}
		if kill%auditAll == auditAll-1 {
			t.Logf("%d kills in %v: %+v", kill+1, time.Since(start).Round(time.Second), c.figures())
		}
	}
	tower.Launch()
	ready(t, tower)
	c.audit(t, true)
	breaches.answered(t)
	f := c.figures()
	t.Logf("%d kills in %v: %+v, %d breaches", kills(t), time.Since(start).Round(time.Second), f, len(breaches.mined))
	if f.receipts < kills(t) {
		t.Error("the tower was hardly asked for anything")
	}
}

// workUntilKilled is some tenths of a second of load, and of blocks.
func (c *crowd) workUntilKilled(t *testing.T, tower *harness.Solo, b *breaches) {
	t.Helper()
	stop, worked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(worked)
		c.work(t, stop)
	}()
	if rand.IntN(2) == 0 {
		b.mine()
	}
	pause(rand.N(150 * time.Millisecond))
	tower.Kill()
	close(stop)
	<-worked
	b.mine()
}

// breaches are disputes that are held back, agreed and mined one after the other.
type breaches struct {
	node  *harness.Node
	fresh []*breach
	ready *cheated
	mined []cheated
}

// cheated is a user whose appointment a breach is for.
type cheated struct {
	*breach
	user    *ledger
	locator teos.Locator
}

// newBreaches makes all disputes at the start: none of their penalties is ever
// mined, so that each can be seen in the mempool in the end.
func newBreaches(node *harness.Node, n int) *breaches {
	b := &breaches{node: node}
	node.MineTo(firstHeight + n)
	for range n {
		dispute := node.Wallet.Dispute()
		b.fresh = append(b.fresh, &breach{dispute: dispute, penalty: node.Wallet.Penalty(dispute, harness.Fee)})
	}
	return b
}

// prepare hands in the appointment for the next breach, if it is time.
func (b *breaches) prepare(t *testing.T, c *crowd, kill int) {
	t.Helper()
	if kill/breachEvery < len(b.mined) || len(b.fresh) == 0 || b.ready != nil {
		return
	}
	user := c.present[rand.IntN(len(c.present))]
	if user.Tower == (teos.UserID{}) {
		return // not registered yet
	}
	next := b.fresh[0]
	a := user.NewAppointment(next.dispute.TxHash(), next.penalty)
	if err := user.add(t, a); err != nil {
		t.Fatal(err)
	}
	user.entries[a.Locator].breach = next
	b.fresh, b.ready = b.fresh[1:], &cheated{next, user, a.Locator}
}

// mine confirms the dispute that is ready, if one is.
func (b *breaches) mine() {
	if b.ready == nil {
		return
	}
	b.ready.mined = true
	b.node.MineBlock(b.ready.dispute)
	b.mined = append(b.mined, *b.ready)
	b.ready = nil
}

// answered waits until every penalty is in the mempool, and the tower says so.
func (b *breaches) answered(t *testing.T) {
	t.Helper()
	for _, c := range b.mined {
		txid := c.penalty.TxHash()
		harness.Until(t, "the penalty to enter the mempool", func() bool { return b.node.InMempool(txid) })
		held, err := c.user.Get(t.Context(), c.locator)
		if err != nil || held.Status != harness.DisputeResponded {
			t.Fatalf("the breach of %v: %q, %v", c.locator, held.Status, err)
		}
	}
}
