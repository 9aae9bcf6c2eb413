package chain_test

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

func TestParseTx(t *testing.T) {
	dispute := chaintest.Dispute(1)
	for name, msg := range map[string]*wire.MsgTx{
		"with witness":    chaintest.Penalty(dispute, 0),
		"without witness": smallest(1)[0],
		"two inputs":      manyInputs(2),
	} {
		raw := chaintest.Bytes(msg)
		tx, err := chain.ParseTx(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if tx.ID != msg.TxHash() || !bytes.Equal(tx.Raw, raw) || !slices.Equal(tx.Inputs, outpoints(msg)) {
			t.Errorf("%s: got %+v", name, tx)
		}
	}
}

func TestParseTxRefuses(t *testing.T) {
	legacy := chaintest.Bytes(smallest(1)[0])
	segwit := chaintest.Bytes(chaintest.Dispute(1))
	noOutput := chaintest.Dispute(1)
	noOutput.TxOut = nil
	for name, raw := range map[string][]byte{
		"nothing":          nil,
		"one byte":         {2},
		"trailing byte":    append(slices.Clone(legacy), 0),
		"two transactions": append(slices.Clone(legacy), legacy...),
		"no input":         {2, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"no input, output": append([]byte{2, 0, 0, 0, 0, 2}, make([]byte, 22)...),
		"no output":        chaintest.Bytes(noOutput),
		"flag 2":           edit(segwit, 5, 2),
		"flag 0":           edit(segwit, 5, 0),
		"no witness":       splice(legacy, 4, 0, []byte{0, 1}),
		"empty witness":    splice(segwit, len(segwit)-10, 6, []byte{0}),
		"long count":       splice(legacy, 4, 1, []byte{0xfd, 1, 0}),
		"longer count":     splice(legacy, 4, 1, []byte{0xfe, 1, 0, 0, 0}),
		"longest count":    splice(legacy, 4, 1, []byte{0xff, 1, 0, 0, 0, 0, 0, 0, 0}),
		"long script":      edit(legacy, 41, 0xfc),
		"endless script":   splice(legacy, 41, 1, bytes.Repeat([]byte{0xff}, 9)),
	} {
		if _, err := chain.ParseTx(raw); !errors.Is(err, chain.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range segwit {
		if _, err := chain.ParseTx(segwit[:i]); !errors.Is(err, chain.ErrMalformed) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

// A count is only a claim: what it makes us allocate is bounded by the bytes
// that are there.
func TestParseTxAllocatesNothingForFalseCounts(t *testing.T) {
	claim := []byte{0xfe, 0, 0, 8, 0} // 524,288
	legacy, segwit := chaintest.Bytes(smallest(1)[0]), chaintest.Bytes(chaintest.Dispute(1))
	for name, raw := range map[string][]byte{
		"inputs":        splice(legacy, 4, 1, claim),
		"outputs":       splice(legacy, 46, 1, claim),
		"witness items": splice(segwit, len(segwit)-10, 1, claim),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := chain.ParseTx(raw)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 || !errors.Is(err, chain.ErrMalformed) {
			t.Errorf("%s: %d bytes allocated, %v", name, n, err)
		}
	}
}

func edit(raw []byte, at int, b byte) []byte { return splice(raw, at, 1, []byte{b}) }

// splice replaces n bytes by others.
func splice(raw []byte, at, n int, by []byte) []byte {
	return slices.Concat(raw[:at], by, raw[at+n:])
}
