package responder_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
)

// A witness is no part of a transaction's id: somebody may hand in an honest
// user's penalty with another one, and what the node says to that must not be
// taken for its answer to the honest one. Neither can be verified here.
func TestAPenaltyIsPublishedThoughItsTwinIsRefused(t *testing.T) {
	inBubble(t, 0, func(o *office, _, _ []*wire.MsgTx) {
		dispute := chaintest.Dispute(1)
		honest := chaintest.Penalty(dispute, 0)
		honest.AddTxIn(wire.NewTxIn(&wire.OutPoint{Hash: dispute.TxHash(), Index: 9}, nil, nil)) // a fee from elsewhere
		honest.TxIn[1].PreviousOutPoint.Hash[0] ^= 1
		twin := honest.Copy()
		twin.TxIn[0].Witness = wire.TxWitness{{1}, {2}}
		o.update(func(tx tower.Tx) error {
			o.appointment(tx, dispute, twin)
			o.user = towertest.NewUser(2, teos.V2)
			err := tx.PutUser(gatekeeper.User{ID: o.user.ID(), Dialect: teos.V2, Expiry: math.MaxUint32})
			o.appointment(tx, dispute, honest)
			return err
		})
		o.chain.Refuse(func(tx chain.Tx) error {
			if bytes.Equal(tx.Raw, chaintest.Bytes(twin)) {
				return errors.New("mandatory-script-verify-flag-failed")
			}
			return nil
		})
		o.mine(dispute)
		for _, p := range o.chain.Published() {
			if bytes.Equal(p.Tx.Raw, chaintest.Bytes(honest)) && p.Err == nil {
				return
			}
		}
		t.Error("the honest penalty was not published")
	})
}
