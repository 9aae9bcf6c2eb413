package matrix

import (
	"time"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/tests/harness"
)

const (
	// poolSize is the smallest mempool that bitcoind takes, in bytes of memory.
	poolSize = 5_000_000
	// poolRate is what the transactions pay that fill it, in satoshi for a
	// byte: more than a cheap penalty, less than a plain one.
	poolRate = 5
	// A filling transaction has so many outputs, 31 bytes each; a small one
	// fills up what a large one does not.
	largeFill, smallFill = 2800, 500
	// coins is how many filling transactions there can be.
	coins = 120
)

var smallPool = []string{"-maxmempool=5", "-blockmaxweight=4000000"}

// trucArgs make a bitcoind hold to the rules for TRUC transactions, where that
// is not what all of its kind do.
func trucArgs() []string {
	if harness.BitcoindKnows("-mempooltruc") {
		return []string{"-mempooltruc=enforce"}
	}
	return nil
}

// fill puts transactions into the mempool until they use so much memory; what
// is above the mempool's size throws the cheapest out.
func (s *scene) fill(target int) {
	s.Helper()
	fan := s.node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{s.node.Wallet.Coin()}, Fee: harness.Fee, Outputs: coins})
	s.node.MineBlock(fan)
	for i := range coins {
		var pool struct{ Usage, Total int }
		s.call(&pool, "getmempoolinfo")
		outputs := largeFill
		if left := min(target, poolSize) - pool.Usage; left < 40*smallFill*3/2 && target <= poolSize {
			return
		} else if left < 40*largeFill*3/2 && target <= poolSize {
			outputs = smallFill
		}
		rate := int64(poolRate)
		if target > poolSize {
			rate += int64(i / 20)
		}
		err := s.node.Send(s.node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{harness.OutputOf(fan, i)},
			Outputs: outputs, Fee: rate * int64(40*outputs)}))
		if err != nil && target > poolSize {
			return // the mempool asks for more by now
		}
		if err != nil {
			s.Fatalf("fill the mempool: %v", err)
		}
	}
}

// drain mines what fills the mempool. What the mempool asks for falls with time.
func (s *scene) drain() {
	s.Helper()
	for len(s.mempool()) > 0 {
		s.node.Mine(1)
	}
	s.node.SetTime(time.Now().Add(48 * time.Hour))
	s.call(nil, "getmempoolinfo") // reckons anew what it asks for; a block would start the time again
	s.node.MineBlock()
}

// cheap is a breach whose penalty, of so many outputs, pays little.
func (s *scene) cheap(u *user, outputs int) *breach {
	s.Helper()
	b := s.prepared(u, "cheap")
	b.penalty = s.node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{harness.OutputOf(b.dispute, 0)},
		Outputs: outputs, Fee: int64(200 + 40*outputs)})
	b.appointment = u.NewAppointment(b.dispute.TxHash(), b.penalty)
	return b
}

// unrelayed is a breach whose dispute is valid and fit for no mempool.
func (s *scene) unrelayed(u *user) *breach {
	s.Helper()
	odd := wire.NewTxOut(1000, []byte{txscript.OP_RETURN, txscript.OP_RETURN, txscript.OP_TRUE})
	dispute := s.node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{s.node.Wallet.Coin()}, Fee: harness.Fee,
		Extra: []*wire.TxOut{odd}})
	return s.breachOf(u, "unrelayed", dispute, s.node.Wallet.Penalty(dispute, harness.Fee))
}

// truc is a breach whose dispute has version 3 (BIP 431) and whose penalty has 2.
func (s *scene) truc(u *user) *breach {
	s.Helper()
	dispute := s.node.Wallet.Sign(harness.Draft{Version: 3, Coins: []harness.Coin{s.node.Wallet.Coin()}, Fee: harness.Fee})
	return s.breachOf(u, "TRUC", dispute, s.node.Wallet.Penalty(dispute, harness.Fee))
}

// shaky is a breach whose rival needs another coin, too.
func (s *scene) shaky(u *user) *breach {
	s.Helper()
	b := s.prepared(u, "shaky")
	other := s.node.Wallet.Coin()
	b.rival = s.node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{harness.OutputOf(b.dispute, 0), other},
		Fee: 3 * harness.Fee, Replaceable: true})
	b.eviction = s.node.Wallet.Sign(harness.Draft{Coins: []harness.Coin{other}, Fee: 30 * harness.Fee})
	return b
}

// takeBack mines the dispute, and reorgs it out when it was answered.
func (s *scene) takeBack(b *breach) {
	s.Helper()
	fork := s.tip()
	s.node.MineBlock(b.dispute)
	s.agrees()
	s.grow(fork, make([][]*wire.MsgTx, 2))
}

// restart empties the node's mempool.
func (s *scene) restart() { s.Helper(); s.node.Restart(s.backend) }

// restartPlain restarts the node with the options that every other node has.
func (s *scene) restartPlain() {
	s.Helper()
	s.node.Restart(s.plain)
	s.node.MineBlock()
}
