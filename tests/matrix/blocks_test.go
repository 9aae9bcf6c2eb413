package matrix

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/tests/harness"
)

// blockWitness is how many bytes of witness make a block as heavy as one may be
// (BIP 141: 4,000,000), beside what else it holds.
const blockWitness = 3_996_000

// stakes are how many outputs there are for odd transactions to spend.
const stakes = 8_000

// anyWitness is a script of a witness version without rules: anybody can
// spend it, with any witness (BIP 141).
var anyWitness = append([]byte{txscript.OP_2, 32}, bytes.Repeat([]byte{1}, 32)...)

// odd makes odd transactions of outputs to spend.
type odd func(of chainhash.Hash, first int) []*wire.MsgTx

// oddities are what a block may hold and a parser may choke on.
var oddities = []struct {
	name string
	long bool // only in the full set
	make odd
}{
	{"a witness item of 3.9 MB", false, witnesses(1, [][]byte{make([]byte, 3_900_000)})},
	{"500,000 witness items", false, witnesses(1, make([][]byte, 500_000))},
	{"3,900,000 witness items", true, witnesses(1, make([][]byte, 3_900_000))},
	{"4 MB", false, witnesses(1, [][]byte{make([]byte, blockWitness)})},
	{"eight transactions with 4,000 items of 120 bytes each", false, witnesses(8, repeated(4_000, 120))},
	{"6,000 transactions", false, many(6_000)},
	{"15,000 transactions", true, many(15_000)},
	{"odd scripts", false, oddScripts},
}

// TestBlocksThatBreakParsers: a dispute in such a block is answered, and so is
// one in the next block.
func TestBlocksThatBreakParsers(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		s := newScene(t, variant, nil)
		for _, o := range oddities {
			if !o.long || full() {
				s.withOddity(o.name, o.make)
			}
		}
	})
}

// TestHugeBlocksThroughLightningd: 8 MB of hex by getrawblockbyheight. A real
// lightningd gets no block with 500,000 witness items: v26.06 parses each block
// itself, and does not come back from that one.
func TestHugeBlocksThroughLightningd(t *testing.T) {
	t.Parallel()
	for carrier, names := range map[string][]string{
		"plugin/":     {"a witness item of 3.9 MB", "500,000 witness items", "4 MB"},
		"lightningd/": {"a witness item of 3.9 MB", "4 MB"},
	} {
		onEach(t, carrier, func(t *testing.T, variant harness.Variant) {
			s := newScene(t, variant, nil)
			for _, o := range oddities {
				if slices.Contains(names, o.name) {
					s.withOddity(o.name, o.make)
				}
			}
		})
	}
}

// TestCoinbaseOnlyChain: nothing but coinbases for longer than the tower
// remembers, then a dispute.
func TestCoinbaseOnlyChain(t *testing.T) {
	onEachNode(t, func(t *testing.T, variant harness.Variant) {
		s := newScene(t, variant, nil)
		b := s.watched(s.user(), "after nothing")
		s.grow(s.tip(), make([][]*wire.MsgTx, 150))
		s.agrees()
		s.node.MineBlock(b.dispute)
		s.confirms(b)
	})
}

func (s *scene) withOddity(name string, of odd) {
	s.Helper()
	u := s.user()
	inside, next := s.watched(u, name+", inside"), s.watched(u, name+", in the next block")
	stake := s.stake()
	s.node.MineBlock(stake)
	s.node.MineBlock(append(of(stake.TxHash(), 1), inside.dispute)...)
	s.node.MineBlock(next.dispute)
	s.confirms(inside, next)
}

// stake is a transaction whose outputs, but the first, anybody can spend: the
// first few with any witness, the others without.
func (s *scene) stake() *wire.MsgTx {
	s.Helper()
	var outs []*wire.TxOut
	for i := range stakes {
		script := []byte{txscript.OP_TRUE}
		if i < witnessStakes {
			script = anyWitness
		}
		outs = append(outs, wire.NewTxOut(600, script))
	}
	return s.node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{s.node.Wallet.Coin()}, Fee: harness.Fee, Extra: outs})
}

// witnessStakes is how many of the stakes take a witness.
const witnessStakes = 100

// spendStake spends an output of a stake and leaves one like it.
func spendStake(of chainhash.Hash, output int) *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&of, uint32(output)), nil, nil))
	tx.AddTxOut(wire.NewTxOut(600, []byte{txscript.OP_TRUE}))
	return tx
}

// witnesses makes so many transactions with the same witness.
func witnesses(count int, items [][]byte) odd {
	return func(of chainhash.Hash, first int) (txs []*wire.MsgTx) {
		for i := range count {
			tx := spendStake(of, first+i)
			tx.TxIn[0].Witness = items
			txs = append(txs, tx)
		}
		return txs
	}
}

func repeated(count, size int) [][]byte {
	items := make([][]byte, count)
	for i := range items {
		items[i] = make([]byte, size)
	}
	return items
}

// many makes a chain of transactions within the block for the first half, and
// transactions side by side for the second.
func many(count int) odd {
	return func(of chainhash.Hash, first int) (txs []*wire.MsgTx) {
		last, output := of, first+witnessStakes
		for range count / 2 {
			tx := spendStake(last, output)
			txs, last, output = append(txs, tx), tx.TxHash(), 0
		}
		for i := range count / 2 {
			txs = append(txs, spendStake(of, first+witnessStakes+1+i))
		}
		return txs
	}
}

// oddScripts makes transactions with scripts, versions, sequences and lock
// times that only consensus allows.
func oddScripts(of chainhash.Hash, first int) (txs []*wire.MsgTx) {
	for i, script := range [][]byte{
		nil,
		{txscript.OP_PUSHDATA4, 0xff, 0xff, 0xff, 0xff},
		{txscript.OP_PUSHDATA2, 0xff},
		{txscript.OP_DATA_75},
		bytes.Repeat([]byte{txscript.OP_CHECKMULTISIG}, 15),
		bytes.Repeat([]byte{0xff}, 10_001),
		append([]byte{txscript.OP_RETURN}, make([]byte, 90_000)...),
		{txscript.OP_16, 2, 0, 0},
		append([]byte{txscript.OP_1, 32}, make([]byte, 32)...),
		{txscript.OP_RETURN, 0x24, 0xaa, 0x21, 0xa9, 0xed},
	} {
		tx := spendStake(of, first+witnessStakes+i)
		tx.TxOut[0].PkScript = script
		tx.TxIn[0].SignatureScript = bytes.Repeat([]byte{txscript.OP_1}, 90*i)
		tx.TxIn[0].Sequence = uint32(math.MaxUint32 * uint64(i%2))
		tx.Version = []int32{0, 1, 3, math.MaxInt32, math.MinInt32, -1}[i%6]
		txs = append(txs, tx)
	}
	return txs
}
