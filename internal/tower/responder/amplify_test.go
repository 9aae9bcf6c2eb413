package responder_test

import (
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
)

// reads counts how many trackers a judgement reads.
type reads struct {
	tower.Tx
	n int
}

func (r *reads) Tracker(row int64) (responder.Tracker, error) {
	r.n++
	return r.Tx.Tracker(row)
}

// wide returns a transaction with many inputs, the first of which spends an
// output of another.
func wide(of *wire.MsgTx, inputs int) *wire.MsgTx {
	tx := chaintest.Penalty(of, 0)
	for i := range inputs {
		other := wire.OutPoint{Hash: chainhash.HashH([]byte{byte(i), byte(i >> 8)})}
		tx.AddTxIn(&wire.TxIn{PreviousOutPoint: other})
	}
	return tx
}

// Penalties are strangers' transactions, and any public one can be made a
// dispute: a block's work must not be inputs times trackers.
func TestATrackerIsReadOncePerTransactionHoweverManyInputs(t *testing.T) {
	b := newBench(t)
	dispute := chaintest.Dispute(1)
	penalty := wide(dispute, 1000)
	b.update(func(tx tower.Tx) error {
		row := b.appointment(tx, dispute, penalty)
		return responder.Track(tx, row, towertest.Tx(dispute), 1, towertest.Tx(penalty))
	})
	b.judge(dispute)
	block := b.chain.Mine(penalty)
	b.update(func(tx tower.Tx) error {
		counted := &reads{Tx: tx}
		err := responder.Judge(counted, block)
		if counted.n > 4 {
			t.Errorf("%d reads of one tracker", counted.n)
		}
		return err
	})
	b.want(1, responder.ByPenalty, 2)
}

func TestAHugeDisputeIsNotKeptForEachTracker(t *testing.T) {
	b := newBench(t)
	dispute := wide(chaintest.Dispute(1), 1000)
	penalty := chaintest.Penalty(dispute, 0)
	var row int64
	b.update(func(tx tower.Tx) error {
		row = b.appointment(tx, dispute, penalty)
		return responder.Track(tx, row, chain.Tx{ID: dispute.TxHash()}, 1, towertest.Tx(penalty))
	})
	b.judge(dispute)
	if tr := b.tracker(row); tr.Dispute.Raw != nil {
		t.Errorf("%d bytes of the dispute are kept", len(tr.Dispute.Raw))
	}
	b.judge(penalty)
	b.want(row, responder.ByPenalty, 2)
}
