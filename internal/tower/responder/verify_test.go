package responder_test

import (
	"crypto/sha256"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
)

// toLocal returns the script of a commitment's to_local output (BOLT 3).
func toLocal(t *testing.T, revocation, delayed *btcec.PublicKey) []byte {
	t.Helper()
	script, err := txscript.NewScriptBuilder().
		AddOp(txscript.OP_IF).AddData(revocation.SerializeCompressed()).
		AddOp(txscript.OP_ELSE).AddInt64(144).AddOp(txscript.OP_CHECKSEQUENCEVERIFY).AddOp(txscript.OP_DROP).
		AddData(delayed.SerializeCompressed()).AddOp(txscript.OP_ENDIF).AddOp(txscript.OP_CHECKSIG).Script()
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// justice returns a penalty for a to_local output, signed as it should be, and
// that output.
func justice(t *testing.T, pays int64) (*wire.MsgTx, []wire.TxOut) {
	t.Helper()
	key := towertest.Key(1)
	script := toLocal(t, key.PubKey(), towertest.Key(2).PubKey())
	spent := wire.TxOut{Value: 1e6, PkScript: witnessProgram(t, script)}
	tx := chaintest.Penalty(chaintest.Dispute(1), 0)
	tx.TxOut[0].Value = pays
	outputs := txscript.NewCannedPrevOutputFetcher(spent.PkScript, spent.Value)
	sig, err := txscript.RawTxInWitnessSignature(tx, txscript.NewTxSigHashes(tx, outputs), 0, spent.Value,
		script, txscript.SigHashAll, key)
	if err != nil {
		t.Fatal(err)
	}
	tx.TxIn[0].Witness = wire.TxWitness{sig, {1}, script}
	return tx, []wire.TxOut{spent}
}

func witnessProgram(t *testing.T, script []byte) []byte {
	t.Helper()
	hash := sha256.Sum256(script)
	program, err := txscript.NewScriptBuilder().AddOp(txscript.OP_0).AddData(hash[:]).Script()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestVerify(t *testing.T) {
	for name, c := range map[string]struct {
		change func(tx *wire.MsgTx, spent []wire.TxOut) []wire.TxOut
		good   bool
	}{
		"as it should be":   {func(_ *wire.MsgTx, s []wire.TxOut) []wire.TxOut { return s }, true},
		"another signature": {func(tx *wire.MsgTx, s []wire.TxOut) []wire.TxOut { tx.TxIn[0].Witness[0][9]++; return s }, false},
		"another payee":     {func(tx *wire.MsgTx, s []wire.TxOut) []wire.TxOut { tx.TxOut[0].Value--; return s }, false},
		"no witness":        {func(tx *wire.MsgTx, s []wire.TxOut) []wire.TxOut { tx.TxIn[0].Witness = nil; return s }, false},
		"another amount":    {func(_ *wire.MsgTx, s []wire.TxOut) []wire.TxOut { s[0].Value++; return s }, false},
		"nothing known":     {func(*wire.MsgTx, []wire.TxOut) []wire.TxOut { return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			tx, spent := justice(t, 9e5)
			spent = c.change(tx, spent)
			if err := responder.Verify(towertest.Tx(tx), spent); (err == nil) != c.good {
				t.Errorf("got %v", err)
			}
		})
	}
	tx, spent := justice(t, 1e6+1)
	if err := responder.Verify(towertest.Tx(tx), spent); err == nil {
		t.Error("a penalty that pays out more than it spends verifies")
	}
}
