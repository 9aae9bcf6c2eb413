package operator

import (
	"bytes"
	"crypto/rand"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
)

// madeUp is a revoked commitment that never was, and a penalty that answers it.
type madeUp struct {
	dispute, penalty chain.Tx
}

// Of the made-up channel: what it holds and pays, in satoshis, and the delay.
const (
	madeUpValue = 100_000
	madeUpFee   = 1_000
	madeUpDelay = 144
)

// makeUp makes both, with an output and a script as BOLT 3 has them. The dispute
// spends an output of a random transaction, so it is in no chain and no mempool.
func makeUp(key *btcec.PrivateKey) (madeUp, error) {
	script, err := toLocal(key.PubKey().SerializeCompressed())
	if err != nil {
		return madeUp{}, err
	}
	hash := chainhash.HashB(script) // one SHA-256
	program, err := txscript.NewScriptBuilder().AddOp(txscript.OP_0).AddData(hash).Script()
	if err != nil {
		return madeUp{}, err
	}
	dispute := wire.NewMsgTx(2)
	var funding wire.OutPoint
	_, _ = rand.Read(funding.Hash[:]) // it never fails
	dispute.AddTxIn(wire.NewTxIn(&funding, nil, nil))
	dispute.AddTxOut(wire.NewTxOut(madeUpValue, program))

	penalty := wire.NewMsgTx(2)
	penalty.AddTxIn(wire.NewTxIn(&wire.OutPoint{Hash: dispute.TxHash()}, nil, nil))
	penalty.AddTxOut(wire.NewTxOut(madeUpValue-madeUpFee, program))
	outputs := txscript.NewCannedPrevOutputFetcher(program, madeUpValue)
	signature, err := txscript.RawTxInWitnessSignature(penalty, txscript.NewTxSigHashes(penalty, outputs),
		0, madeUpValue, script, txscript.SigHashAll, key)
	if err != nil {
		return madeUp{}, err
	}
	penalty.TxIn[0].Witness = wire.TxWitness{signature, {1}, script}
	var m madeUp
	if m.dispute, err = parsed(dispute); err == nil {
		m.penalty, err = parsed(penalty)
	}
	return m, err
}

// toLocal is the script of a commitment's to_local output (BOLT 3), with one key
// in both places.
func toLocal(key []byte) ([]byte, error) {
	return txscript.NewScriptBuilder().
		AddOp(txscript.OP_IF).AddData(key).
		AddOp(txscript.OP_ELSE).AddInt64(madeUpDelay).AddOp(txscript.OP_CHECKSEQUENCEVERIFY).
		AddOp(txscript.OP_DROP).AddData(key).
		AddOp(txscript.OP_ENDIF).AddOp(txscript.OP_CHECKSIG).Script()
}

func parsed(tx *wire.MsgTx) (chain.Tx, error) {
	var b bytes.Buffer
	if err := tx.Serialize(&b); err != nil {
		return chain.Tx{}, err
	}
	return chain.ParseTx(b.Bytes())
}
