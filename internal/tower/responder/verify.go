package responder

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
)

// Limits of what is verified. Penalties come from strangers, and to verify one
// must stay cheap: at the worst some tens of milliseconds. A penalty of Core
// Lightning has one input and less than 400 bytes; a commitment transaction with
// all the HTLCs that BOLT 2 allows has less than 50,000.
const (
	maxVerifiedPenalty = 8_000
	maxVerifiedInputs  = 4
	maxVerifiedDispute = 100_000
)

// consensus are the rules of every block since taproot. What nodes demand
// besides of what they relay is left to them.
const consensus = txscript.ScriptBip16 | txscript.ScriptVerifyDERSignatures |
	txscript.ScriptStrictMultiSig | txscript.ScriptVerifyCheckLockTimeVerify |
	txscript.ScriptVerifyCheckSequenceVerify | txscript.ScriptVerifyWitness |
	txscript.ScriptVerifyTaproot

// ErrUnverified says that a penalty is none that can be verified here.
var ErrUnverified = errors.New("its scripts can't be verified")

// SpentOutputs returns the outputs of a dispute that a penalty spends, in the
// order of its inputs; nil if it spends others, too, or is not worth the work.
func SpentOutputs(dispute, penalty chain.Tx) []wire.TxOut {
	if len(penalty.Raw) > maxVerifiedPenalty || len(penalty.Inputs) > maxVerifiedInputs ||
		len(dispute.Raw) > maxVerifiedDispute {
		return nil
	}
	var spent []wire.TxOut
	for _, in := range penalty.Inputs {
		out, found := dispute.Output(in.Index)
		if in.Hash != dispute.ID || !found || len(out.PkScript) > txscript.MaxScriptSize {
			return nil
		}
		spent = append(spent, wire.TxOut{Value: out.Value, PkScript: bytes.Clone(out.PkScript)})
	}
	return spent
}

// Verify runs the scripts of a penalty over the outputs that it spends. It
// only ranks: what does not pass is published after what does, never dropped.
func Verify(penalty chain.Tx, spent []wire.TxOut) (err error) {
	defer func() {
		// The scripts are a stranger's: what they make of the engine must
		// not be what ends the tower.
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrUnverified, r)
		}
	}()
	if len(spent) == 0 || len(spent) != len(penalty.Inputs) {
		return ErrUnverified
	}
	tx := wire.NewMsgTx(0)
	if err := tx.Deserialize(bytes.NewReader(penalty.Raw)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnverified, err)
	}
	if err := affords(tx, spent); err != nil {
		return err
	}
	outputs := txscript.NewMultiPrevOutFetcher(nil)
	for i, in := range penalty.Inputs {
		outputs.AddPrevOut(in, &spent[i])
	}
	hashes := txscript.NewTxSigHashes(tx, outputs)
	for i, out := range spent {
		vm, err := txscript.NewEngine(out.PkScript, tx, i, consensus, nil, hashes, out.Value, outputs)
		if err == nil {
			err = vm.Execute()
		}
		if err != nil {
			return fmt.Errorf("its input %d does not verify: %w", i, err)
		}
	}
	return nil
}

// affords fails where more is paid out than comes in.
func affords(tx *wire.MsgTx, spent []wire.TxOut) error {
	var left int64
	for _, out := range spent {
		left += out.Value
	}
	for _, out := range tx.TxOut {
		if out.Value < 0 || out.Value > left {
			return errors.New("it pays out more than it spends")
		}
		left -= out.Value
	}
	return nil
}
