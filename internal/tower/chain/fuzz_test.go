package chain_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// FuzzParseTx holds ParseTx against wire: both take the same bytes and see
// the same in them, but for the inputs and outputs that consensus wants.
func FuzzParseTx(f *testing.F) {
	for _, tx := range append(oddScripts()[:3], chaintest.Dispute(1), smallest(1)[0], manyInputs(3)) {
		f.Add(chaintest.Bytes(tx))
	}
	f.Add([]byte{2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := chain.ParseTx(raw)
		want, ok := wireTx(bytes.NewReader(raw))
		if ok != (err == nil) {
			t.Fatalf("wire takes it: %v; ParseTx: %v", ok, err)
		}
		if !ok {
			wantError(t, err, chain.ErrMalformed)
			return
		}
		if got.ID != want.TxHash() || !bytes.Equal(got.Raw, chaintest.Bytes(want)) ||
			!slices.Equal(got.Inputs, outpoints(want)) {
			t.Fatalf("got %+v", got)
		}
	})
}

// wireTx reads one transaction up to the end of r.
func wireTx(r *bytes.Reader) (*wire.MsgTx, bool) {
	tx := new(wire.MsgTx)
	err := tx.Deserialize(r)
	return tx, err == nil && r.Len() == 0 && len(tx.TxIn) > 0 && len(tx.TxOut) > 0
}

// FuzzParseBlock parses the bytes as they are, and then as what follows a
// header that commits to them, so that not all ends at the proof of work.
func FuzzParseBlock(f *testing.F) {
	for n := range 4 {
		raw := serialize(f, chaintest.NewBlock(chainhash.Hash{1}, 7, 0, disputes(n)...))
		f.Add(raw)
		f.Add(raw[80:])
	}
	f.Add([]byte{0})
	p := params(f, "regtest")
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, err := p.ParseBlock(raw)
		wantError(t, err, nil, chain.ErrMalformed, chain.ErrBadProofOfWork, chain.ErrBadMerkleRoot)
		msg, ok := wireBody(raw)
		b, err := p.ParseBlock(serializeBody(t, msg, raw))
		switch {
		case err == nil && !ok:
			t.Fatal("wire refuses it")
		case err == nil:
			compare(t, b, msg)
		case ok && !repeats(msg):
			t.Fatal(err)
		}
	})
}

// wireBody reads a block without its header, and gives it one.
func wireBody(body []byte) (*wire.MsgBlock, bool) {
	header := serializeHeader(&wire.BlockHeader{})
	r := bytes.NewReader(append(header, body...))
	msg := new(wire.MsgBlock)
	ok := msg.Deserialize(r) == nil && r.Len() == 0 && len(msg.Transactions) > 0
	for _, tx := range msg.Transactions {
		ok = ok && len(tx.TxIn) > 0 && len(tx.TxOut) > 0
	}
	if ok = ok && isCoinbase(msg.Transactions[0]); ok {
		seal := chaintest.NewBlock(chainhash.Hash{}, 0, 0)
		msg.Header = seal.Header
		msg.Header.MerkleRoot = chaintest.MerkleRoot(msg.Transactions)
	} else {
		msg.Header.Bits = 0x207fffff
	}
	chaintest.Solve(&msg.Header)
	return msg, ok
}

func isCoinbase(tx *wire.MsgTx) bool {
	return len(tx.TxIn) == 1 && tx.TxIn[0].PreviousOutPoint == *wire.NewOutPoint(&chainhash.Hash{}, wire.MaxPrevOutIndex)
}

// repeats says whether two transactions are the same, which allows the
// parser to refuse the block.
func repeats(msg *wire.MsgBlock) bool {
	seen := make(map[chainhash.Hash]bool)
	for _, tx := range msg.Transactions {
		seen[tx.TxHash()] = true
	}
	return len(seen) < len(msg.Transactions)
}

func serializeHeader(h *wire.BlockHeader) []byte {
	var buf bytes.Buffer
	if err := h.Serialize(&buf); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func serializeBody(t *testing.T, msg *wire.MsgBlock, body []byte) []byte {
	t.Helper()
	return append(serializeHeader(&msg.Header), body...)
}

func wantError(t *testing.T, err error, allowed ...error) {
	t.Helper()
	if !slices.ContainsFunc(allowed, func(a error) bool { return errors.Is(err, a) }) {
		t.Fatalf("unexpected error: %v", err)
	}
}
