// Package model holds the tower against a reference: random sequences of
// requests, blocks, reorgs, faults and crashes befall the real core, and after
// each step it must be where a small reference tower is that knows only the
// protocol and the invariants.
package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

const (
	channels    = 5
	commitments = 2 // of each channel, of which one at most is ever mined
	penalties   = 4 // of each commitment
)

var errMissing = errors.New("inputs are missing or spent")

// world is the chain and all transactions that may ever be in it.
type world struct {
	chain  *chaintest.Chain
	known  map[chainhash.Hash]*wire.MsgTx
	blocks map[chainhash.Hash]*chain.Block
	left   []*chain.Block // tips of branches that were left
	shown  []*chain.Block // tips that were the best since they were last looked at
	pruned uint32

	mu     sync.Mutex
	denied map[uint32]bool         // heights that the source says it has no block at
	lied   bool                    // it has served other blocks than it was asked for
	doubt  map[uint32]bool         // all that were ever denied
	best   ledger                  // of the best branch
	added  map[chainhash.Hash]bool // disputes that the mempool took
}

// ledger is what a branch holds.
type ledger struct {
	ids   map[chainhash.Hash]bool
	spent map[wire.OutPoint]bool
}

func newWorld() *world {
	w := &world{
		chain: chaintest.New(), known: make(map[chainhash.Hash]*wire.MsgTx),
		blocks: make(map[chainhash.Hash]*chain.Block), added: make(map[chainhash.Hash]bool),
		denied: make(map[uint32]bool), doubt: make(map[uint32]bool),
	}
	for _, tx := range w.all() {
		w.known[tx.TxHash()] = tx
	}
	w.blocks[w.chain.Best().Hash] = w.chain.Best()
	w.chain.Refuse(w.judge)
	w.changed()
	return w
}

func outpoint(kind, n uint32) wire.OutPoint {
	var seed [8]byte
	binary.LittleEndian.PutUint32(seed[:], kind)
	binary.LittleEndian.PutUint32(seed[4:], n)
	return wire.OutPoint{Hash: chainhash.HashH(seed[:])}
}

func funding(channel uint32) wire.OutPoint { return outpoint(1, channel) }

// coin is an output beside the channel that some penalties spend, too.
func coin(channel uint32) wire.OutPoint { return outpoint(2, channel) }

// anyone is the script of all outputs' witnesses: it takes whatever there is, in
// stuffing pieces, so that a penalty is valid and of any size.
var anyone = append(bytes.Repeat([]byte{txscript.OP_DROP}, stuffing), txscript.OP_TRUE)

const stuffing = 9

// stuffed is a witness of a size in bytes.
func stuffed(size int) (w wire.TxWitness) {
	for i := range stuffing {
		w = append(w, bytes.Repeat([]byte{7}, (size+i)/stuffing))
	}
	return append(w, anyone)
}

// spend makes a transaction with two outputs; a tag tells it from others.
func spend(tag uint32, inputs ...wire.OutPoint) *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	for _, in := range inputs {
		tx.AddTxIn(wire.NewTxIn(&in, nil, stuffed(1)))
	}
	hash := sha256.Sum256(anyone)
	script := append([]byte{txscript.OP_0, sha256.Size}, hash[:]...)
	for range 2 {
		tx.AddTxOut(wire.NewTxOut(1e5, script))
	}
	tx.LockTime = tag
	return tx
}

func commitment(channel, n uint32) *wire.MsgTx {
	tx := spend(n, funding(channel))
	for _, out := range tx.TxOut {
		out.Value = 1e6 // it can afford what penalties pay
	}
	return tx
}

// closing ends a channel without any breach.
func closing(channel uint32) *wire.MsgTx { return spend(99, funding(channel)) }

func outputs(tx *wire.MsgTx) (first, second wire.OutPoint) {
	id := tx.TxHash()
	return wire.OutPoint{Hash: id}, wire.OutPoint{Hash: id, Index: 1}
}

// penalty answers a commitment: 0 and 1 spend its first output, 2 both, 3 the
// first and a coin.
func penalty(channel, n, kind uint32) *wire.MsgTx {
	first, second := outputs(commitment(channel, n))
	switch kind {
	case 2:
		return spend(kind, first, second)
	case 3:
		return spend(kind, first, coin(channel))
	default:
		return spend(kind, first)
	}
}

// voidPenalty spends an output that the commitment does not have: it can never be
// valid, and that shows as soon as the commitment itself is seen.
func voidPenalty(channel, n uint32) *wire.MsgTx {
	first, _ := outputs(commitment(channel, n))
	first.Index = 7
	return spend(0, first)
}

// rivals are the others that may spend what penalties spend.
func rivals(channel, n uint32) []*wire.MsgTx {
	first, second := outputs(commitment(channel, n))
	return []*wire.MsgTx{spend(7, first), spend(8, second), spend(9, coin(channel))}
}

// all lists every transaction, parents first.
func (w *world) all() (txs []*wire.MsgTx) {
	for c := range uint32(channels) {
		txs = append(txs, closing(c))
		for n := range uint32(commitments) {
			txs = append(txs, commitment(c, n))
			txs = append(txs, rivals(c, n)...)
			for kind := range uint32(penalties) {
				txs = append(txs, penalty(c, n, kind))
			}
		}
	}
	return txs
}

// changed takes note of another best branch.
func (w *world) changed() {
	best := ledger{make(map[chainhash.Hash]bool), make(map[wire.OutPoint]bool)}
	for b := w.chain.Best(); b.Height > 0; b = w.blocks[b.Prev] {
		for _, tx := range b.Txs[1:] {
			best.add(tx.ID, tx.Inputs)
		}
	}
	w.shown = append(w.shown, w.chain.Best())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.best = best
}

func (l ledger) add(id chainhash.Hash, inputs []wire.OutPoint) {
	l.ids[id] = true
	for _, in := range inputs {
		l.spent[in] = true
	}
}

// fits tells whether a transaction may stand behind all that a branch holds.
// The disputes in extra are as good as mined.
func (w *world) fits(l ledger, id chainhash.Hash, inputs []wire.OutPoint, extra map[chainhash.Hash]bool) bool {
	for _, in := range inputs {
		_, ours := w.known[in.Hash]
		if l.spent[in] || ours && (in.Index > 1 || !l.ids[in.Hash] && !extra[in.Hash]) {
			return false
		}
	}
	return !l.ids[id]
}

func inputsOf(tx *wire.MsgTx) (inputs []wire.OutPoint) {
	for _, in := range tx.TxIn {
		inputs = append(inputs, in.PreviousOutPoint)
	}
	return inputs
}

// mine mines one block with those of the transactions that fit.
func (w *world) mine(txs ...*wire.MsgTx) *chain.Block {
	l := ledger{make(map[chainhash.Hash]bool), make(map[wire.OutPoint]bool)}
	w.mu.Lock()
	for id := range w.best.ids {
		l.ids[id] = true
	}
	for out := range w.best.spent {
		l.spent[out] = true
	}
	w.mu.Unlock()
	txs = slices.DeleteFunc(slices.Clone(txs), func(tx *wire.MsgTx) bool {
		if !w.fits(l, tx.TxHash(), inputsOf(tx), nil) {
			return true
		}
		l.add(tx.TxHash(), inputsOf(tx))
		return false
	})
	b := w.chain.Mine(txs...)
	w.blocks[b.Hash] = b
	w.mu.Lock()
	w.best = l
	w.mu.Unlock()
	w.shown = append(w.shown, b)
	return b
}

// pool returns what waits for a block.
func (w *world) pool() (txs []*wire.MsgTx) {
	for _, id := range w.chain.Mempool() {
		txs = append(txs, w.known[id])
	}
	return txs
}

// deepest is how many blocks may be left at once: what a tower remembers, and
// what a node keeps, is much more.
const deepest = 30

// fork cuts the best branch back.
func (w *world) fork(depth uint32) {
	height := w.chain.Best().Height
	low := max(1, w.pruned)
	if height <= low {
		return
	}
	w.left = append(w.left, w.chain.Fork(height-min(depth, height-low)))
	w.changed()
}

// flap goes back to a branch that was left not long ago.
func (w *world) flap(n uint32) {
	was := w.chain.Best()
	w.left = slices.DeleteFunc(w.left, func(tip *chain.Block) bool {
		b := tip
		for !w.onBranch(b, was) {
			b = w.blocks[b.Prev]
		}
		return b.Height+deepest < was.Height || b.Height <= w.pruned
	})
	if len(w.left) == 0 {
		return
	}
	i := int(n % uint32(len(w.left)))
	w.chain.Switch(w.left[i])
	w.left[i] = was
	w.changed()
}

// judge is the mempool's policy. It runs while the chain is locked.
func (w *world) judge(tx chain.Tx) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.fits(w.best, tx.ID, tx.Inputs, w.added) {
		return errMissing
	}
	w.added[tx.ID] = true
	return nil
}

func (w *world) dropMempool() {
	w.mu.Lock()
	clear(w.added)
	w.mu.Unlock()
	w.chain.DropMempool()
}

// onBranch tells whether a block is on the branch that ends in tip.
func (w *world) onBranch(b, tip *chain.Block) bool {
	for tip.Height > b.Height {
		tip = w.blocks[tip.Prev]
	}
	return tip.Hash == b.Hash
}

// locators of a transaction by the protocol: half of its id as displayed, and
// half of it as serialised.
func locators(id chainhash.Hash) (v1, v2 teos.Locator) {
	copy(v2[:], id[:16])
	slices.Reverse(id[:])
	copy(v1[:], id[:16])
	return v1, v2
}

// deny lets the source say that it has no block at a height.
func (w *world) deny(height uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.denied[height], w.doubt[height] = true, true
}

func (w *world) isDenied(height uint32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.denied[height]
}

// gone tells whether a block was not to be had, now or some time before.
func (w *world) gone(height uint32) bool { return height < w.pruned || w.doubt[height] }
