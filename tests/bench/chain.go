package main

import (
	"bytes"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/tests/harness"
)

// anybody is a script of a witness version without rules: anybody can spend it,
// with any witness (BIP 141). So blocks full of transactions cost no signatures.
var anybody = append([]byte{txscript.OP_2, 32}, bytes.Repeat([]byte{1}, 32)...)

// usual is about the witness of a transaction with one input.
var usual = wire.TxWitness{make([]byte, 72), make([]byte, 33)}

// fund mines a transaction with n outputs that anybody can spend. It returns
// what spends them, without a witness.
func fund(node *harness.Node, n int) []*wire.MsgTx {
	coin := node.Wallet.Coin()
	share := (coin.Out.Value - harness.Fee) / int64(n+1)
	outputs := make([]*wire.TxOut, n)
	for i := range outputs {
		outputs[i] = wire.NewTxOut(share, anybody)
	}
	tx := node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{coin}, Fee: harness.Fee, Extra: outputs})
	node.MineBlock(tx)
	spenders := make([]*wire.MsgTx, n)
	for i := range spenders {
		spenders[i] = spend(tx, i+1) // the first output is the wallet's
	}
	return spenders
}

// spend spends an output that anybody can spend to two of the kind, without
// fees.
func spend(of *wire.MsgTx, output int) *wire.MsgTx {
	id := of.TxHash()
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&id, uint32(output)), nil, usual))
	value := of.TxOut[output].Value
	tx.AddTxOut(wire.NewTxOut(value-1, anybody))
	tx.AddTxOut(wire.NewTxOut(1, anybody))
	return tx
}

// next spends the first output of each transaction.
func next(txs []*wire.MsgTx) []*wire.MsgTx {
	spenders := make([]*wire.MsgTx, len(txs))
	for i, tx := range txs {
		spenders[i] = spend(tx, 0)
	}
	return spenders
}

// heavy makes transactions that are a block of 4 MB together.
func heavy(txs []*wire.MsgTx) {
	const most = 3_940_000 // of weight, beside what they weigh already
	weight := 0
	for _, tx := range txs {
		weight += 3*tx.SerializeSizeStripped() + tx.SerializeSize()
	}
	for _, tx := range txs {
		tx.TxIn[0].Witness = append(wire.TxWitness{make([]byte, (most-weight)/len(txs))}, usual...)
	}
}
