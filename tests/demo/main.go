// Demo shows a breach and its answer, start to end, on a private chain: a
// Bitcoin node on regtest, vigil loaded as lightningd loads it, a user who
// hands an appointment in, and a cheater. It needs Go and git only.
package main

import (
	"os"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// resolvedDepth is how deep a penalty must be for its breach to be over
// (BOLT 5: irrevocably resolved).
const resolvedDepth = 100

func main() {
	os.Exit(run(tell))
}

// story is what the acts share.
type story struct {
	*stage
	node  *harness.Node
	tower *harness.StandIn
	user  *harness.Client

	dispute, penalty *wire.MsgTx
	appointment      teos.Appointment
	slots            uint32 // before the appointment
}

func tell(s *stage) {
	d := &story{stage: s}
	d.build()
	d.open()
	d.subscribe()
	d.handIn()
	d.cheat()
	d.resolve()
	d.close()
}

func (d *story) build() {
	d.act("build")
	d.say("building vigil, and a Bitcoin node from pinned sources (the first time takes a minute)")
	harness.Vigil(d)
}

func (d *story) open() {
	d.act("start the node and the tower")
	d.node = harness.StartNode(d, harness.Btcd())
	d.dispute = d.node.Wallet.Dispute()
	d.penalty = d.node.Wallet.Penalty(d.dispute, harness.Fee)
	d.say("a private chain is up: %s on regtest, %d blocks", d.node.Name(), d.node.Height())
	address := harness.FreeAddress(d)
	d.tower = harness.StartLightningd(d, d.node, harness.Vigil(d), map[string]any{"vigil-api-bind": address})
	door := harness.HTTPDoor("http://" + address)
	harness.Until(d, "the tower to answer a ping", func() bool { return door.Ping(d.Context()) })
	d.say("vigil is loaded, as lightningd %s loads a plugin; its API answers on %s", harness.LightningdVersion, address)
	d.user = harness.NewUser(d, teos.V2, door)
}

func (d *story) subscribe() {
	d.act("register")
	receipt, err := d.user.Register(d.Context())
	d.check(err)
	d.slots = receipt.Slots
	d.say("user %.16s… registers", d.user.ID)
	d.say("the tower %.16s… signs for %d slots up to block %d; the receipt is valid", d.user.Tower, receipt.Slots, receipt.Expiry)
}

func (d *story) handIn() {
	d.act("hand in the appointment")
	d.appointment = d.user.NewAppointment(d.dispute.TxHash(), d.penalty)
	d.say("a channel state is revoked: should its commitment %.16s… ever confirm, that is a breach", d.dispute.TxHash())
	receipt, err := d.user.Add(d.Context(), d.appointment)
	d.check(err)
	d.say("the user hands in locator %v and %d encrypted bytes: the tower can't read them",
		d.appointment.Locator, len(d.appointment.EncryptedBlob))
	d.say("the tower signs that it watches every block after %d; %d slots are left", *receipt.StartBlock, *receipt.Slots)
	held, err := d.user.Get(d.Context(), d.appointment.Locator)
	d.check(err)
	d.expect(held.Status, harness.BeingWatched, "the appointment's status")
	d.say("the user goes offline; get_appointment says: %s", held.Status)
}

func (d *story) cheat() {
	d.act("cheat")
	d.node.MustSend(d.dispute)
	block := d.node.Mine(1)[0]
	d.say("BREACH: the revoked commitment confirms in block %d, %v", d.node.Height(), block)
	d.act("answer the breach")
	penalty := d.penalty.TxHash()
	harness.Until(d, "the penalty to enter the mempool", func() bool { return d.node.InMempool(penalty) })
	d.say("the tower found the locator in the block, decrypted the blob, and published:")
	d.say("the penalty %.16s… is in the mempool", penalty)
	held, err := d.user.Get(d.Context(), d.appointment.Locator)
	d.check(err)
	d.expect(held.Status, harness.DisputeResponded, "the appointment's status")
	d.expect(held.Appointment.PenaltyTxID, penalty.String(), "the penalty's id")
	d.say("get_appointment says: %s, with both transactions", held.Status)
}

func (d *story) resolve() {
	d.act("confirm the penalty")
	d.node.Mine(1)
	height := d.confirmedAt(d.penalty.TxHash())
	d.say("the penalty confirms in block %d: the cheater's coins are the user's", height)
	d.act("resolve the breach")
	d.node.Mine(resolvedDepth - 2)
	d.settle(d.node.Height())
	_, err := d.user.Get(d.Context(), d.appointment.Locator)
	d.check(err)
	d.say("%d blocks deep the tower still holds it: a reorg could undo it", d.node.Height()-height+1)
	d.node.MineTo(height + resolvedDepth)
	notFound := teos.NotFound.Code(teos.V2)
	harness.Until(d, "the breach to be resolved", func() bool {
		_, err := d.user.Get(d.Context(), d.appointment.Locator)
		return harness.Code(err) == notFound
	})
	d.say("%d blocks deep it is resolved; get_appointment says: not found (error_code %d)", resolvedDepth, notFound)
	subscription, err := d.user.Info(d.Context())
	d.check(err)
	d.expect(subscription.Slots, d.slots, "the slots")
	d.say("the slot is back: %d of %d", subscription.Slots, d.slots)
}

func (d *story) close() {
	d.act("stop")
	took := d.tower.StopPlugin()
	d.say("vigil stopped in good order, in %d ms", took.Milliseconds())
}

// confirmedAt is the height of the last block, which must hold the transaction.
func (d *story) confirmedAt(txid chainhash.Hash) int {
	height := d.node.ConfirmedAt(txid, 1)
	if height == 0 {
		d.Fatalf("the last block does not hold %v", txid)
	}
	return height
}

// settle waits until the tower has processed the chain up to a height.
func (d *story) settle(height int) {
	harness.Until(d, "the tower to process the chain", func() bool {
		info, err := harness.TowerInfo(d.Context(), d.tower)
		d.check(err)
		return info.Height >= height
	})
}

func (d *story) check(err error) {
	if err != nil {
		d.Fatalf("%v", err)
	}
}

func (d *story) expect(got, want any, what string) {
	if got != want {
		d.Fatalf("%s: %v instead of %v", what, got, want)
	}
}
