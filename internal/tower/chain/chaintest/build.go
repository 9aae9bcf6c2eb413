package chaintest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

const (
	opTrue      = 0x51
	regtestBits = 0x207fffff
	subsidy     = 50e8 // satoshis
)

// Dispute returns a transaction that may serve as a revoked commitment: the
// same for the same n, another txid for another n. Nobody signed it, and its
// input spends nothing that exists.
func Dispute(n uint32) *wire.MsgTx {
	var seed [4]byte
	binary.LittleEndian.PutUint32(seed[:], n)
	tx := wire.NewMsgTx(2)
	funding := wire.OutPoint{Hash: chainhash.HashH(seed[:])}
	tx.AddTxIn(wire.NewTxIn(&funding, nil, wire.TxWitness{seed[:]}))
	tx.AddTxOut(wire.NewTxOut(1e6, Anyone()))
	return tx
}

// Anyone returns the script of an output that anybody may spend by showing what
// it is the hash of (P2WSH of OP_TRUE).
func Anyone() []byte {
	hash := sha256.Sum256([]byte{opTrue})
	return append([]byte{0, sha256.Size}, hash[:]...)
}

// Penalty returns a transaction that spends the first output of dispute.
// Another n gives a rival that spends the same output.
func Penalty(dispute *wire.MsgTx, n uint32) *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	spent := wire.OutPoint{Hash: dispute.TxHash()}
	tx.AddTxIn(wire.NewTxIn(&spent, nil, wire.TxWitness{{opTrue}}))
	tx.AddTxOut(wire.NewTxOut(9e5, Anyone()))
	tx.LockTime = n
	return tx
}

// Bytes serialises a transaction, witness included.
func Bytes(tx *wire.MsgTx) []byte {
	var buf bytes.Buffer
	must(tx.Serialize(&buf))
	return buf.Bytes()
}

// NewBlock returns a solved regtest block over prev with a coinbase of its
// own and then txs. A salt of its own tells it from rivals at its height.
func NewBlock(prev chainhash.Hash, height, salt uint32, txs ...*wire.MsgTx) *wire.MsgBlock {
	b := &wire.MsgBlock{
		Header: wire.BlockHeader{
			Version:   0x20000000,
			PrevBlock: prev,
			Bits:      regtestBits,
		},
		Transactions: append([]*wire.MsgTx{coinbase(height, salt)}, txs...),
	}
	b.Header.MerkleRoot = MerkleRoot(b.Transactions)
	Solve(&b.Header)
	return b
}

// coinbase begins its script with the height (BIP 34), then the salt.
func coinbase(height, salt uint32) *wire.MsgTx {
	script := []byte{4, 0, 0, 0, 0, 4, 0, 0, 0, 0}
	binary.LittleEndian.PutUint32(script[1:], height)
	binary.LittleEndian.PutUint32(script[6:], salt)
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&chainhash.Hash{}, wire.MaxPrevOutIndex), script, nil))
	tx.AddTxOut(wire.NewTxOut(subsidy, []byte{opTrue}))
	return tx
}

// MerkleRoot is the plain recursive form, to be told apart from the one that
// it tests.
func MerkleRoot(txs []*wire.MsgTx) chainhash.Hash {
	row := make([]chainhash.Hash, len(txs))
	for i, tx := range txs {
		row[i] = tx.TxHash()
	}
	for len(row) > 1 {
		var up []chainhash.Hash
		for i := 0; i < len(row); i += 2 {
			right := row[min(i+1, len(row)-1)]
			up = append(up, chainhash.DoubleHashH(append(row[i][:], right[:]...)))
		}
		row = up
	}
	return row[0]
}

// Solve finds a nonce for regtest's target: the second try on average.
func Solve(h *wire.BlockHeader) {
	for h.Nonce = 0; !solved(h.BlockHash()); h.Nonce++ {
	}
}

// solved compares with regtest's target, 7fffff followed by zeros.
func solved(hash chainhash.Hash) bool { return hash[31] < 0x7f }

func must(err error) {
	if err != nil {
		panic(err)
	}
}
