package chain_test

import (
	"bytes"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

func TestOutput(t *testing.T) {
	for name, witness := range map[string]wire.TxWitness{"with witness": {{1}}, "without": nil} {
		t.Run(name, func(t *testing.T) {
			msg := chaintest.Dispute(1)
			msg.TxIn[0].Witness = witness
			msg.AddTxOut(wire.NewTxOut(7, bytes.Repeat([]byte{2}, 300)))
			msg.AddTxOut(wire.NewTxOut(0, nil))
			tx, err := chain.ParseTx(chaintest.Bytes(msg))
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range msg.TxOut {
				got, found := tx.Output(uint32(i))
				if !found || got.Value != want.Value || !bytes.Equal(got.PkScript, want.PkScript) {
					t.Errorf("output %d: %v %v, want %v", i, got, found, want)
				}
			}
			for _, index := range []uint32{3, 1 << 31, wire.MaxPrevOutIndex} {
				if got, found := tx.Output(index); found {
					t.Errorf("output %d: %v", index, got)
				}
			}
			if _, found := (chain.Tx{ID: tx.ID}).Output(0); found {
				t.Error("an output of a transaction of which only the id is known")
			}
		})
	}
}
