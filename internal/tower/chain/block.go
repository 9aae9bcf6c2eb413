package chain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// Errors of bytes that are not to be believed.
var (
	// ErrMalformed says that the bytes are no block (or no transaction)
	// that consensus would let into the chain.
	ErrMalformed = errors.New("malformed block or transaction")
	// ErrBadProofOfWork says that the header's own target is invalid or
	// easier than the network allows, or that its hash misses it.
	ErrBadProofOfWork = errors.New("bad proof of work")
	// ErrBadMerkleRoot says that the transactions are not those that the
	// header commits to.
	ErrBadMerkleRoot = errors.New("bad merkle root")
	// ErrUnknownNetwork says that a network has no Params.
	ErrUnknownNetwork = errors.New("unknown network")
)

const (
	headerSize = 80
	// maxBlockSize is Bitcoin Core's MAX_BLOCK_SERIALIZED_SIZE, in bytes.
	maxBlockSize = 4_000_000
)

// Params are what ParseBlock knows of a network.
type Params struct {
	powLimit *big.Int
}

// ParamsFor returns the parameters of a network under bitcoind's name for it:
// main, test, testnet4, signet or regtest. Any other is ErrUnknownNetwork.
// The limits are those of Bitcoin Core's kernel/chainparams.cpp.
func ParamsFor(network string) (*Params, error) {
	switch network {
	case "main", "test", "testnet4":
		return &Params{powLimit: compactToBig(0x1d00ffff)}, nil
	case "signet":
		return &Params{powLimit: compactToBig(0x1e0377ae)}, nil
	case "regtest":
		return &Params{powLimit: compactToBig(0x207fffff)}, nil
	}
	return nil, fmt.Errorf("%w: %.20q", ErrUnknownNetwork, network)
}

// Block is a block whose proof of work and merkle root were checked.
type Block struct {
	// Height is where the caller found it: ParseBlock leaves it at 0.
	Height uint32
	Hash   chainhash.Hash
	Prev   chainhash.Hash
	// Time is what its header says: by consensus at most two hours ahead.
	Time time.Time
	// Txs are in the order of the block; the first is the coinbase.
	Txs []Tx
}

// ParseBlock parses a serialised block and nothing else, and checks what it
// can without the chain: that its hash is below its own target, that this is
// not easier than the network ever allows, and that its transactions are the
// ones that the header commits to, without the mutation of CVE-2012-2459. A
// first transaction that is no coinbase fails too, and with it inner nodes of
// the merkle tree served as transactions of 64 bytes.
//
// It does not check that the target is the right one at that height, nor
// scripts, amounts or witnesses. Txs point into raw, which must not change
// afterwards. Errors wrap ErrMalformed, ErrBadProofOfWork or ErrBadMerkleRoot.
func (p *Params) ParseBlock(raw []byte) (*Block, error) {
	if len(raw) < headerSize || len(raw) > maxBlockSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(raw))
	}
	b := &Block{Hash: chainhash.DoubleHashH(raw[:headerSize])}
	copy(b.Prev[:], raw[4:36])
	b.Time = time.Unix(int64(binary.LittleEndian.Uint32(raw[68:72])), 0).UTC()
	if err := p.checkWork(b.Hash, binary.LittleEndian.Uint32(raw[72:76])); err != nil {
		return nil, err
	}
	var err error
	if b.Txs, err = parseTxs(raw[headerSize:]); err != nil {
		return nil, err
	}
	if err := checkMerkleRoot(b.Txs, chainhash.Hash(raw[36:68])); err != nil {
		return nil, err
	}
	return b, nil
}

func (p *Params) checkWork(hash chainhash.Hash, bits uint32) error {
	target := compactToBig(bits)
	if target.Sign() <= 0 || target.Cmp(p.powLimit) > 0 {
		return fmt.Errorf("%w: target %08x is not allowed", ErrBadProofOfWork, bits)
	}
	if hashToBig(hash).Cmp(target) > 0 {
		return fmt.Errorf("%w: hash %v misses target %08x", ErrBadProofOfWork, hash, bits)
	}
	return nil
}

// compactToBig expands a header's bits: a base-256 exponent over a mantissa
// of 23 bits and a sign. At most 255 bytes long, so what overflows 256 bits
// is simply above every limit.
func compactToBig(bits uint32) *big.Int {
	exponent := uint(bits >> 24)
	n := big.NewInt(int64(bits & 0x007fffff))
	if exponent <= 3 {
		n.Rsh(n, 8*(3-exponent))
	} else {
		n.Lsh(n, 8*(exponent-3))
	}
	if bits&0x00800000 != 0 {
		n.Neg(n)
	}
	return n
}

// hashToBig reads a hash as the number that it is compared as.
func hashToBig(hash chainhash.Hash) *big.Int {
	for i, j := 0, len(hash)-1; i < j; i, j = i+1, j-1 {
		hash[i], hash[j] = hash[j], hash[i]
	}
	return new(big.Int).SetBytes(hash[:])
}

func parseTxs(raw []byte) ([]Tx, error) {
	c := cursor{buf: raw}
	txs := make([]Tx, c.count(minTxSize))
	for i := range txs {
		if txs[i] = c.tx(); c.failed {
			break
		}
	}
	if c.failed || c.rest() != 0 {
		return nil, fmt.Errorf("%w: not exactly one block", ErrMalformed)
	}
	if len(txs) == 0 || !isCoinbase(txs[0]) {
		return nil, fmt.Errorf("%w: no coinbase first", ErrMalformed)
	}
	return txs, nil
}

func isCoinbase(tx Tx) bool {
	return len(tx.Inputs) == 1 &&
		tx.Inputs[0].Index == math.MaxUint32 &&
		tx.Inputs[0].Hash == chainhash.Hash{}
}

// checkMerkleRoot fails, too, where two equal nodes stand side by side: since
// an odd row repeats its last node, such transactions could be dropped or
// added without changing the root (CVE-2012-2459), and no valid block has any.
func checkMerkleRoot(txs []Tx, want chainhash.Hash) error {
	row := make([]chainhash.Hash, len(txs), len(txs)+1)
	for i := range txs {
		row[i] = txs[i].ID
	}
	for len(row) > 1 {
		for i := 0; i+1 < len(row); i += 2 {
			if row[i] == row[i+1] {
				return fmt.Errorf("%w: transactions are repeated", ErrBadMerkleRoot)
			}
		}
		row = parents(row)
	}
	if row[0] != want {
		return fmt.Errorf("%w: %v, not %v", ErrBadMerkleRoot, row[0], want)
	}
	return nil
}

// parents replaces a row of the merkle tree by the row above it, in place.
func parents(row []chainhash.Hash) []chainhash.Hash {
	if len(row)%2 == 1 {
		row = append(row, row[len(row)-1])
	}
	var pair [2 * chainhash.HashSize]byte
	for i := range len(row) / 2 {
		copy(pair[:], row[2*i][:])
		copy(pair[chainhash.HashSize:], row[2*i+1][:])
		row[i] = chainhash.DoubleHashH(pair[:])
	}
	return row[:len(row)/2]
}
