package harness

import (
	"bytes"
	"encoding/hex"
	"math/big"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

const (
	regtestBits     = 0x207fffff
	halvingInterval = 150 // blocks, on regtest
	firstSubsidy    = 50 * 1e8
	blockVersion    = 0x20000000
)

// witnessTag starts the coinbase output that commits to witnesses (BIP 141).
var witnessTag = []byte{0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed}

// MineBlock puts exactly these transactions into a block on top of the best
// chain, whatever the mempool holds: none at all, or ones it would not take.
func (n *Node) MineBlock(txs ...*wire.MsgTx) chainhash.Hash {
	n.t.Helper()
	return n.MineBlockOn(n.BlockHash(n.Height()), txs...)
}

// MineBlockOn does the same on top of any block that the node has, so that a
// rival branch grows until the node finds it the best.
func (n *Node) MineBlockOn(parent chainhash.Hash, txs ...*wire.MsgTx) chainhash.Hash {
	n.t.Helper()
	below := n.header(parent)
	block := &wire.MsgBlock{Header: wire.BlockHeader{
		Version: blockVersion, PrevBlock: parent, Bits: regtestBits, Timestamp: timeAbove(below),
	}}
	block.Transactions = append([]*wire.MsgTx{n.coinbaseTx(below.height+1, txs)}, txs...)
	block.Header.MerkleRoot = merkleRoot(block.Transactions, (*wire.MsgTx).TxHash)
	grind(&block.Header)
	n.made[block.BlockHash()] = made{below.height + 1, block.Header.Timestamp.Unix()}
	var b bytes.Buffer
	if err := block.Serialize(&b); err != nil {
		n.t.Fatalf("serialise a block: %v", err)
	}
	n.submit(hex.EncodeToString(b.Bytes()))
	return block.BlockHash()
}

func (n *Node) header(block chainhash.Hash) made {
	n.t.Helper()
	if known, ok := n.made[block]; ok {
		return known
	}
	var header struct {
		Height int
		Time   int64
	}
	n.must(&header, "getblockheader", block.String(), true)
	return made{header.Height, header.Time}
}

func (n *Node) submit(block string) {
	n.t.Helper()
	// Null says that the block is on the best chain now. A branch that is not
	// the best yet is "inconclusive" to bitcoind.
	var verdict *string
	n.must(&verdict, "submitblock", block)
	if verdict != nil && *verdict != "inconclusive" {
		n.t.Fatalf("the node refuses a block: %s", *verdict)
	}
}

// timeAbove is later than the median of the 11 blocks below, as consensus has
// it, and never in the past.
func timeAbove(parent made) time.Time {
	return time.Unix(max(parent.time+1, time.Now().Unix()), 0)
}

// coinbaseTx pays the subsidy, without fees, to the wallet.
func (n *Node) coinbaseTx(height int, txs []*wire.MsgTx) *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	in := wire.NewTxIn(wire.NewOutPoint(&chainhash.Hash{}, wire.MaxPrevOutIndex), n.coinbaseScript(height), nil)
	in.Witness = wire.TxWitness{make([]byte, 32)}
	tx.AddTxIn(in)
	tx.AddTxOut(wire.NewTxOut(int64(firstSubsidy)>>(height/halvingInterval), n.Wallet.script))
	root := merkleRoot(append([]*wire.MsgTx{tx}, txs...), witnessHash)
	commitment := chainhash.DoubleHashB(append(root[:], make([]byte, 32)...))
	tx.AddTxOut(wire.NewTxOut(0, append(bytes.Clone(witnessTag), commitment...)))
	return tx
}

// coinbaseScript is the height (BIP 34: a number as scripts write it), then a
// counter that makes every coinbase another one: two blocks may be siblings.
func (n *Node) coinbaseScript(height int) []byte {
	script := pushNumber(int64(height))
	return append(script, pushNumber(int64(1<<32+len(n.made)))...)
}

// pushNumber pushes a number greater than 16 as its bytes, little endian.
func pushNumber(v int64) []byte {
	if v <= 16 {
		return []byte{byte(0x50 + v)}
	}
	var b []byte
	for ; v > 0; v >>= 8 {
		b = append(b, byte(v))
	}
	if b[len(b)-1]&0x80 != 0 {
		b = append(b, 0)
	}
	return append([]byte{byte(len(b))}, b...)
}

// witnessHash is a transaction's wtxid; a coinbase counts as zeros (BIP 141).
func witnessHash(tx *wire.MsgTx) chainhash.Hash {
	if tx.TxIn[0].PreviousOutPoint.Index == wire.MaxPrevOutIndex {
		return chainhash.Hash{}
	}
	return tx.WitnessHash()
}

func merkleRoot(txs []*wire.MsgTx, id func(*wire.MsgTx) chainhash.Hash) chainhash.Hash {
	row := make([]chainhash.Hash, len(txs))
	for i, tx := range txs {
		row[i] = id(tx)
	}
	for len(row) > 1 {
		if len(row)%2 == 1 {
			row = append(row, row[len(row)-1])
		}
		for i := 0; i < len(row); i += 2 {
			row[i/2] = chainhash.DoubleHashH(append(row[i].CloneBytes(), row[i+1][:]...))
		}
		row = row[:len(row)/2]
	}
	return row[0]
}

// grind finds a nonce: on regtest every second one will do.
func grind(header *wire.BlockHeader) {
	limit := new(big.Int).Lsh(big.NewInt(0x7fffff), 8*(0x20-3))
	for work(header).Cmp(limit) > 0 {
		header.Nonce++
	}
}

func work(header *wire.BlockHeader) *big.Int {
	hash := header.BlockHash()
	for i, j := 0, len(hash)-1; i < j; i, j = i+1, j-1 {
		hash[i], hash[j] = hash[j], hash[i]
	}
	return new(big.Int).SetBytes(hash[:])
}
