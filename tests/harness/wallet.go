package harness

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"strings"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

const (
	coinbaseMaturity = 100
	// Fee is what transactions pay where nothing else is asked for, in
	// satoshi: enough for any relay policy of a test node.
	Fee = 20_000
)

// Wallet holds one key and spends the coinbases that were mined to it. All
// its transactions are version 2 and spend and pay to P2WPKH.
type Wallet struct {
	t      T
	node   *Node
	key    *btcec.PrivateKey
	script []byte // of the key's address
	used   int    // coinbases up to this height are spent
}

func newWallet(t T, node *Node) (*Wallet, string) {
	t.Helper()
	key, err := btcec.NewPrivateKey()
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	program := address.Hash160(key.PubKey().SerializeCompressed())
	addr, err := address.NewAddressWitnessPubKeyHash(program, &chaincfg.RegressionNetParams)
	if err != nil {
		t.Fatalf("make an address: %v", err)
	}
	script, err := txscript.PayToAddrScript(addr)
	if err != nil {
		t.Fatalf("make a script: %v", err)
	}
	return &Wallet{t: t, node: node, key: key, script: script}, addr.EncodeAddress()
}

// Dispute builds a transaction that stands for a revoked commitment: it
// spends a mature coinbase, and pays to an output that a penalty can take at
// once. It mines what is missing for the coinbase to be mature.
func (w *Wallet) Dispute() *wire.MsgTx { w.t.Helper(); return w.WideDispute(1) }

// WideDispute is a Dispute with so many outputs, each for a penalty.
func (w *Wallet) WideDispute(outputs int) *wire.MsgTx {
	w.t.Helper()
	outpoint, coin := w.coinbase()
	return w.spend(outpoint, coin, Fee, outputs)
}

// Penalty spends the dispute's first output and pays fee satoshi to the miner.
func (w *Wallet) Penalty(dispute *wire.MsgTx, fee int64) *wire.MsgTx {
	w.t.Helper()
	return w.spendOutput(dispute, 0, fee, 1)
}

// PenaltyAt spends another of the dispute's outputs.
func (w *Wallet) PenaltyAt(dispute *wire.MsgTx, output int) *wire.MsgTx {
	w.t.Helper()
	return w.spendOutput(dispute, output, Fee, 1)
}

// OwnPenalty is a Penalty that pays to a script of its own, as that of each user
// does: some nodes look through all transactions in the mempool that pay to the
// same one.
func (w *Wallet) OwnPenalty(dispute *wire.MsgTx) *wire.MsgTx {
	w.t.Helper()
	id := dispute.TxHash()
	const witnessKeyHash, size = 0, 20 // BIP 141
	script := append([]byte{witnessKeyHash, size}, id[:size]...)
	return w.pay(wire.OutPoint{Hash: id}, dispute.TxOut[0], Fee, 1, script)
}

// LargePenalty is a Penalty with so many outputs, of 31 bytes each.
func (w *Wallet) LargePenalty(dispute *wire.MsgTx, outputs int) *wire.MsgTx {
	w.t.Helper()
	return w.spendOutput(dispute, 0, Fee+int64(outputs)*100, outputs)
}

// Rival spends the same output as a Penalty does, as a cheater would who has
// waited long enough. It pays another fee, so its id differs.
func (w *Wallet) Rival(dispute *wire.MsgTx) *wire.MsgTx {
	w.t.Helper()
	return w.spendOutput(dispute, 0, 3*Fee, 2)
}

func (w *Wallet) spendOutput(tx *wire.MsgTx, output int, fee int64, outputs int) *wire.MsgTx {
	w.t.Helper()
	outpoint := wire.OutPoint{Hash: tx.TxHash(), Index: uint32(output)}
	return w.spend(outpoint, tx.TxOut[output], fee, outputs)
}

// coinbase takes the oldest coinbase that is not spent.
func (w *Wallet) coinbase() (wire.OutPoint, *wire.TxOut) {
	w.t.Helper()
	w.used++
	w.node.MineTo(w.used + coinbaseMaturity)
	tx := w.node.Block(w.used).Transactions[0]
	for i, out := range tx.TxOut {
		if bytes.Equal(out.PkScript, w.script) {
			return wire.OutPoint{Hash: tx.TxHash(), Index: uint32(i)}, out
		}
	}
	w.t.Fatalf("the coinbase of block %d is not ours", w.used)
	return wire.OutPoint{}, nil
}

// spend pays all of coin but the fee to the wallet, in equal parts.
func (w *Wallet) spend(outpoint wire.OutPoint, coin *wire.TxOut, fee int64, outputs int) *wire.MsgTx {
	w.t.Helper()
	return w.pay(outpoint, coin, fee, outputs, w.script)
}

func (w *Wallet) pay(outpoint wire.OutPoint, coin *wire.TxOut, fee int64, outputs int, script []byte) *wire.MsgTx {
	w.t.Helper()
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(&outpoint, nil, nil))
	for range outputs {
		tx.AddTxOut(wire.NewTxOut((coin.Value-fee)/int64(outputs), script))
	}
	fetcher := txscript.NewCannedPrevOutputFetcher(coin.PkScript, coin.Value)
	witness, err := txscript.WitnessSignature(tx, txscript.NewTxSigHashes(tx, fetcher), 0,
		coin.Value, coin.PkScript, txscript.SigHashAll, w.key, true)
	if err != nil {
		w.t.Fatalf("sign: %v", err)
	}
	tx.TxIn[0].Witness = witness
	return tx
}

// TxBytes serialises a transaction with its witness.
func TxBytes(tx *wire.MsgTx) []byte {
	var b bytes.Buffer
	if err := tx.Serialize(&b); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

// TxHex is TxBytes in hex.
func TxHex(tx *wire.MsgTx) string { return hex.EncodeToString(TxBytes(tx)) }

func hexReader(text string) io.Reader { return hex.NewDecoder(strings.NewReader(text)) }

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
