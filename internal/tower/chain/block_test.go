package chain_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

func TestParamsForUnknownNetwork(t *testing.T) {
	for _, name := range []string{"", "mainnet", "Main", "simnet", strings.Repeat("x", 1e6)} {
		_, err := chain.ParamsFor(name)
		if !errors.Is(err, chain.ErrUnknownNetwork) || len(err.Error()) > 100 {
			t.Errorf("%.10q: %.100v", name, err)
		}
	}
}

func TestParseBlockGenesis(t *testing.T) {
	for name, net := range map[string]*chaincfg.Params{
		"main":     &chaincfg.MainNetParams,
		"test":     &chaincfg.TestNet3Params,
		"testnet4": &chaincfg.TestNet4Params,
		"signet":   &chaincfg.SigNetParams,
		"regtest":  &chaincfg.RegressionNetParams,
	} {
		b, err := params(t, name).ParseBlock(serialize(t, net.GenesisBlock))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b.Hash != *net.GenesisHash || b.Prev != (chainhash.Hash{}) || len(b.Txs) != 1 {
			t.Errorf("%s: got %v over %v, %d txs", name, b.Hash, b.Prev, len(b.Txs))
		}
	}
}

// The block, its hashes and its merkle root are mainnet's own.
func TestParseBlockMainnet(t *testing.T) {
	text, err := os.ReadFile("testdata/mainnet-100000.hex")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	b, err := params(t, "main").ParseBlock(raw)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{b.Hash.String(), b.Prev.String()}
	for _, tx := range b.Txs {
		got = append(got, tx.ID.String())
	}
	got = append(got, b.Txs[1].Inputs[0].String())
	want := []string{
		"000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506",
		"000000000002d01c1fccc21636b607dfd930d31d01c3a62104612a1719011250",
		"8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
		"fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
		"6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
		"e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
		"87a157f3fd88ac7907c05fc55e271dc4acdc5605d187d646604ca8c0e9382e03:0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Every shape that consensus lets into a block must be scanned, whatever a
// library refuses: one block that is not is one breach that is missed.
func TestParseBlockTakesAllThatConsensusAllows(t *testing.T) {
	for name, txs := range map[string][]*wire.MsgTx{
		"coinbase only":               nil,
		"even":                        disputes(1),
		"odd":                         disputes(2),
		"253 transactions":            disputes(252),
		"16,000 of 60 bytes":          smallest(16_000),
		"witness item of 3.9 MB":      {withWitness(make([]byte, 3_900_000))},
		"500,000 witness items":       {withWitness(make([][]byte, 500_000)...)},
		"1,000,000 witness items":     {withWitness(slices.Repeat([][]byte{{1}}, 1_000_000)...)},
		"block of 4,000,000 bytes":    {fillTo(t, 4_000_000)},
		"counts at varint boundaries": boundaries(),
		"odd scripts":                 oddScripts(),
		"20,000 inputs, one witness":  {manyInputs(20_000)},
	} {
		t.Run(name, func(t *testing.T) {
			msg := chaintest.NewBlock(chainhash.Hash{1}, 7, 0, txs...)
			raw := serialize(t, msg)
			b, err := params(t, "regtest").ParseBlock(raw)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, b, msg)
			if last := b.Txs[len(b.Txs)-1].Raw; &last[len(last)-1] != &raw[len(raw)-1] {
				t.Error("a transaction's bytes were copied")
			}
		})
	}
}

func TestParseBlockRefuses(t *testing.T) {
	fine := chaintest.NewBlock(chainhash.Hash{1}, 7, 0, disputes(2)...)
	edited := func(edit func(*wire.MsgBlock)) []byte {
		b := &wire.MsgBlock{Header: fine.Header, Transactions: slices.Clone(fine.Transactions)}
		edit(b)
		return serialize(t, b)
	}
	bits := func(n uint32) []byte {
		return edited(func(b *wire.MsgBlock) { b.Header.Bits = n; solveAnyway(&b.Header) })
	}
	raw := serialize(t, fine)
	body := func(tail ...byte) []byte { return append(slices.Clone(raw[:80]), tail...) }
	for name, tc := range map[string]struct {
		raw  []byte
		want error
	}{
		"nothing":              {nil, chain.ErrMalformed},
		"short header":         {raw[:79], chain.ErrMalformed},
		"header only":          {raw[:80], chain.ErrMalformed},
		"above 4,000,000":      {append(slices.Clone(raw), make([]byte, 4_000_001-len(raw))...), chain.ErrMalformed},
		"no transaction":       {body(0), chain.ErrMalformed},
		"count is a lie":       {body(0xff, 255, 255, 255, 255, 255, 255, 255, 255), chain.ErrMalformed},
		"count is cut off":     {body(0xfe, 1, 0), chain.ErrMalformed},
		"count too long":       {append(body(0xfd, 3, 0), raw[81:]...), chain.ErrMalformed},
		"cut off":              {raw[:len(raw)-1], chain.ErrMalformed},
		"one byte more":        {append(slices.Clone(raw), 0), chain.ErrMalformed},
		"no coinbase":          {serialize(t, resealed(disputes(1)...)), chain.ErrMalformed},
		"coinbase not first":   {serialize(t, resealed(disputes(1)[0], fine.Transactions[0])), chain.ErrMalformed},
		"coinbase spends more": {serialize(t, resealed(twoInputs(fine.Transactions[0]))), chain.ErrMalformed},
		"work missing":         {edited(func(b *wire.MsgBlock) { unsolve(&b.Header) }), chain.ErrBadProofOfWork},
		"target zero":          {bits(0), chain.ErrBadProofOfWork},
		"target shifted out":   {bits(0x017fffff &^ 0x7f0000), chain.ErrBadProofOfWork},
		"target negative":      {bits(0x20ffffff), chain.ErrBadProofOfWork},
		"target overflows":     {bits(0xff7fffff), chain.ErrBadProofOfWork},
		"target above limit":   {bits(0x21008000), chain.ErrBadProofOfWork},
		"other root":           {edited(func(b *wire.MsgBlock) { b.Header.MerkleRoot[0]++; chaintest.Solve(&b.Header) }), chain.ErrBadMerkleRoot},
		"transaction left out": {edited(func(b *wire.MsgBlock) { b.Transactions = b.Transactions[:2] }), chain.ErrBadMerkleRoot},
		"transactions swapped": {edited(func(b *wire.MsgBlock) { swap(b.Transactions) }), chain.ErrBadMerkleRoot},
		"CVE-2012-2459":        {edited(func(b *wire.MsgBlock) { b.Transactions = append(b.Transactions, b.Transactions[2]) }), chain.ErrBadMerkleRoot},
	} {
		if b, err := params(t, "regtest").ParseBlock(tc.raw); b != nil || !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// Regtest's work is next to none: no other network may take it.
func TestParseBlockKeepsTheNetworksLimit(t *testing.T) {
	raw := serialize(t, chaintest.NewBlock(chainhash.Hash{1}, 7, 0))
	signet := serialize(t, chaincfg.SigNetParams.GenesisBlock)
	for name, raws := range map[string][][]byte{
		"main": {raw, signet}, "test": {raw, signet}, "testnet4": {raw, signet}, "signet": {raw},
	} {
		for _, raw := range raws {
			if _, err := params(t, name).ParseBlock(raw); !errors.Is(err, chain.ErrBadProofOfWork) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// The mutation hides deeper, too: 6 transactions with the last two repeated
// have the root of the 6.
func TestParseBlockRefusesMutationInAnUpperRow(t *testing.T) {
	b := chaintest.NewBlock(chainhash.Hash{1}, 7, 0, disputes(5)...)
	if _, err := params(t, "regtest").ParseBlock(serialize(t, b)); err != nil {
		t.Fatal(err)
	}
	b.Transactions = append(b.Transactions, b.Transactions[4:]...)
	_, err := params(t, "regtest").ParseBlock(serialize(t, b))
	if !errors.Is(err, chain.ErrBadMerkleRoot) || !strings.Contains(err.Error(), "repeated") {
		t.Fatal(err)
	}
}

func params(t testing.TB, network string) *chain.Params {
	t.Helper()
	p, err := chain.ParamsFor(network)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func serialize(t testing.TB, b *wire.MsgBlock) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := b.Serialize(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// compare holds a parsed block against the one that was serialised.
func compare(t *testing.T, got *chain.Block, want *wire.MsgBlock) {
	t.Helper()
	if got.Hash != want.BlockHash() || got.Prev != want.Header.PrevBlock {
		t.Errorf("got %v over %v", got.Hash, got.Prev)
	}
	if len(got.Txs) != len(want.Transactions) {
		t.Fatalf("got %d transactions, want %d", len(got.Txs), len(want.Transactions))
	}
	for i, tx := range want.Transactions {
		if got.Txs[i].ID != tx.TxHash() || !bytes.Equal(got.Txs[i].Raw, chaintest.Bytes(tx)) ||
			!slices.Equal(got.Txs[i].Inputs, outpoints(tx)) {
			t.Fatalf("transaction %d differs", i)
		}
	}
}

func outpoints(tx *wire.MsgTx) []wire.OutPoint {
	var spent []wire.OutPoint
	for _, in := range tx.TxIn {
		spent = append(spent, in.PreviousOutPoint)
	}
	return spent
}

func disputes(n int) []*wire.MsgTx {
	txs := make([]*wire.MsgTx, n)
	for i := range txs {
		txs[i] = chaintest.Dispute(uint32(i))
	}
	return txs
}

// smallest returns transactions as small as there can be.
func smallest(n int) []*wire.MsgTx {
	txs := disputes(n)
	for _, tx := range txs {
		tx.TxIn[0].Witness = nil
		tx.TxOut[0].PkScript = nil
	}
	return txs
}

func withWitness(items ...[]byte) *wire.MsgTx {
	tx := chaintest.Dispute(1)
	tx.TxIn[0].Witness = items
	return tx
}

// fillTo returns a transaction that makes a block with its coinbase size
// bytes long.
func fillTo(t *testing.T, size int) *wire.MsgTx {
	item := make([]byte, size-1000)
	raw := serialize(t, chaintest.NewBlock(chainhash.Hash{}, 1, 0, withWitness(item)))
	return withWitness(append(item, make([]byte, size-len(raw))...))
}

func boundaries() []*wire.MsgTx {
	var txs []*wire.MsgTx
	for _, n := range []int{0, 1, 252, 253, 254, 65_535, 65_536} {
		tx := chaintest.Dispute(uint32(n))
		tx.TxIn[0].SignatureScript = make([]byte, n)
		tx.TxIn[0].Witness = append(slices.Repeat(wire.TxWitness{nil}, n), make([]byte, n))
		tx.TxOut[0].PkScript = make([]byte, n)
		txs = append(txs, tx)
	}
	return txs
}

// oddScripts are unspendable, nonsense or of nonsense version; still valid.
func oddScripts() []*wire.MsgTx {
	var txs []*wire.MsgTx
	for i, script := range [][]byte{
		nil, {0}, {0x4e, 0xff, 0xff, 0xff, 0xff}, {0x4c}, bytes.Repeat([]byte{0xff}, 100_000), {0, 1, 0, 1},
	} {
		tx := chaintest.Dispute(uint32(i))
		tx.Version = math.MinInt32 + int32(i)
		tx.LockTime = math.MaxUint32
		tx.TxIn[0].SignatureScript = script
		tx.TxOut[0].PkScript = script
		tx.AddTxOut(wire.NewTxOut(0, nil))
		txs = append(txs, tx)
	}
	return txs
}

// manyInputs has a witness for its last input only.
func manyInputs(n int) *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	for i := range n {
		out := wire.OutPoint{Index: uint32(i)}
		binary.LittleEndian.PutUint32(out.Hash[:], uint32(i))
		tx.AddTxIn(wire.NewTxIn(&out, nil, nil))
	}
	tx.TxIn[n-1].Witness = wire.TxWitness{{1}}
	tx.AddTxOut(wire.NewTxOut(1, nil))
	return tx
}

// resealed returns a solved block of exactly these transactions.
func resealed(txs ...*wire.MsgTx) *wire.MsgBlock {
	b := chaintest.NewBlock(chainhash.Hash{1}, 7, 0)
	b.Transactions = txs
	b.Header.MerkleRoot = chaintest.MerkleRoot(txs)
	chaintest.Solve(&b.Header)
	return b
}

func twoInputs(tx *wire.MsgTx) *wire.MsgTx {
	tx = tx.Copy()
	tx.AddTxIn(tx.TxIn[0])
	return tx
}

func swap(txs []*wire.MsgTx) { txs[1], txs[2] = txs[2], txs[1] }

// unsolve finds a nonce that misses regtest's target.
func unsolve(h *wire.BlockHeader) {
	for h.BlockHash()[31] < 0x80 {
		h.Nonce++
	}
}

// solveAnyway makes the hash small, so that only the target can be at fault.
func solveAnyway(h *wire.BlockHeader) {
	for h.BlockHash()[31] != 0 {
		h.Nonce++
	}
}
