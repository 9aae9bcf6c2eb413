package harness

import (
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// Coin is an output of the wallet that a Draft spends.
type Coin struct {
	Outpoint wire.OutPoint
	Out      *wire.TxOut
}

// Coin takes the oldest coinbase that is not spent.
func (w *Wallet) Coin() Coin {
	w.t.Helper()
	outpoint, out := w.coinbase()
	return Coin{outpoint, out}
}

// OutputOf is an output of a transaction as a Coin.
func OutputOf(tx *wire.MsgTx, output int) Coin {
	return Coin{wire.OutPoint{Hash: tx.TxHash(), Index: uint32(output)}, tx.TxOut[output]}
}

// Draft describes a transaction for which Dispute, Penalty and Rival are too
// plain.
type Draft struct {
	Version int32 // 2 where it is 0
	Coins   []Coin
	Fee     int64 // satoshi
	Outputs int   // equal shares that go back to the wallet; 1 where it is 0
	// Replaceable says so in each input (BIP 125).
	Replaceable bool
	// Extra outputs come after those of the wallet.
	Extra []*wire.TxOut
}

const mayBeReplaced = wire.MaxTxInSequenceNum - 2

// Sign makes the transaction; it spends all of the coins.
func (w *Wallet) Sign(d Draft) *wire.MsgTx {
	w.t.Helper()
	tx := wire.NewMsgTx(max(d.Version, 2))
	left := -d.Fee
	known := txscript.NewMultiPrevOutFetcher(nil)
	for _, coin := range d.Coins {
		in := wire.NewTxIn(&coin.Outpoint, nil, nil)
		if d.Replaceable {
			in.Sequence = mayBeReplaced
		}
		tx.AddTxIn(in)
		known.AddPrevOut(coin.Outpoint, coin.Out)
		left += coin.Out.Value
	}
	for _, out := range d.Extra {
		left -= out.Value
	}
	shares := max(d.Outputs, 1)
	for range shares {
		tx.AddTxOut(wire.NewTxOut(left/int64(shares), w.script))
	}
	tx.TxOut = append(tx.TxOut, d.Extra...)
	w.signInputs(tx, d.Coins, known)
	return tx
}

func (w *Wallet) signInputs(tx *wire.MsgTx, coins []Coin, known txscript.PrevOutputFetcher) {
	w.t.Helper()
	hashes := txscript.NewTxSigHashes(tx, known)
	for i, coin := range coins {
		witness, err := txscript.WitnessSignature(tx, hashes, i, coin.Out.Value, coin.Out.PkScript,
			txscript.SigHashAll, w.key, true)
		if err != nil {
			w.t.Fatalf("sign input %d: %v", i, err)
		}
		tx.TxIn[i].Witness = witness
	}
}
