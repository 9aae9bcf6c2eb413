package responder_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

// manyInputs is a block of 5,000 transactions with 15,000 inputs, none of which
// spends what is watched.
func manyInputs(height uint32) *chain.Block {
	b := &chain.Block{Height: height, Txs: make([]chain.Tx, 5_000)}
	for i := range b.Txs {
		seed := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32([]byte("block"), height), uint32(i))
		b.Txs[i].ID = chainhash.HashH(seed)
		for n := range uint32(3) {
			from := chainhash.HashH(append(seed, byte(n)))
			b.Txs[i].Inputs = append(b.Txs[i].Inputs, wire.OutPoint{Hash: from, Index: n})
		}
	}
	return b
}

// fill stores open trackers of disputes in block 1.
func fill(b *testing.B, s tower.Store, trackers int) {
	b.Helper()
	user := towertest.NewUser(1, teos.V2)
	towertest.Update(b, s, func(tx tower.Tx) error {
		if err := tx.PutUser(gatekeeper.User{ID: user.ID(), Dialect: teos.V2, Expiry: math.MaxUint32}); err != nil {
			return err
		}
		u, err := tx.User(user.ID())
		if err != nil {
			return err
		}
		for n := range uint32(trackers) {
			dispute := chaintest.Dispute(n)
			penalty := chaintest.Penalty(dispute, 0)
			a := watcher.Appointment{UserRow: u.Row, Appointment: user.Appointment(dispute, penalty)}
			row, err := tx.PutAppointment(a)
			if err == nil {
				err = responder.Track(tx, row, towertest.Tx(dispute), 1, towertest.Tx(penalty))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// What each block costs beside its scan, by how many breaches are open.
func BenchmarkJudge(b *testing.B) {
	for _, trackers := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprint(trackers, " open"), func(b *testing.B) {
			s := towertest.Open(b, towertest.File(b))
			fill(b, s, trackers)
			height := uint32(0)
			b.ReportAllocs()
			for b.Loop() {
				height++
				b.StopTimer()
				block := manyInputs(height)
				b.StartTimer()
				towertest.Update(b, s, func(tx tower.Tx) error { return responder.Judge(tx, block) })
			}
		})
	}
}

// signed returns a penalty with one input, which a signature in it unlocks, and
// the output that it spends.
func signed(b *testing.B, n uint32) (chain.Tx, []wire.TxOut) {
	b.Helper()
	key := towertest.Key(1)
	script, err := txscript.NewScriptBuilder().AddData(key.PubKey().SerializeCompressed()).AddOp(txscript.OP_CHECKSIG).Script()
	if err != nil {
		b.Fatal(err)
	}
	hash := sha256.Sum256(script)
	dispute := chaintest.Dispute(n)
	dispute.TxOut[0].PkScript = append([]byte{0, sha256.Size}, hash[:]...)
	out := dispute.TxOut[0]
	penalty := chaintest.Penalty(dispute, 0)
	hashes := txscript.NewTxSigHashes(penalty, txscript.NewCannedPrevOutputFetcher(out.PkScript, out.Value))
	signature, err := txscript.RawTxInWitnessSignature(penalty, hashes, 0, out.Value, script, txscript.SigHashAll, key)
	if err != nil {
		b.Fatal(err)
	}
	penalty.TxIn[0].Witness = wire.TxWitness{signature, script}
	return towertest.Tx(penalty), []wire.TxOut{*out}
}

// What the scripts of one penalty cost.
func BenchmarkVerify(b *testing.B) {
	penalty, spent := signed(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if err := responder.Verify(penalty, spent); err != nil {
			b.Fatal(err)
		}
	}
}

// always is a ledger in which the same penalties are due, and a backend that
// takes them at no cost.
type always struct {
	lanes int
	due   []responder.Tracker
	noted chan struct{}
}

func (l *always) DuePenalties(_ context.Context, s responder.Scope, after int64, limit int) ([]responder.Tracker, chain.Header, error) {
	if s != responder.All && s != responder.AtBlock || after >= int64(len(l.due)) {
		return nil, chain.Header{Height: 1}, nil
	}
	due := append([]responder.Tracker(nil), l.due[after:min(int(after)+limit, len(l.due))]...)
	return due, chain.Header{Height: 1}, nil
}

func (l *always) NoteTries(_ context.Context, _ chain.Header, tried []responder.Tracker) error {
	if tried[len(tried)-1].Row == int64(len(l.due)) {
		l.noted <- struct{}{}
	}
	return nil
}

func (*always) Publish(context.Context, []byte) error { return nil }

func (l *always) Lanes() int { return l.lanes }

// What a round of 1,000 penalties costs besides the store and the backend: most
// of it is the verification of scripts.
func BenchmarkRound(b *testing.B) {
	l := &always{noted: make(chan struct{}, 1)}
	for n := range int64(1_000) {
		penalty, spent := signed(b, uint32(n))
		l.due = append(l.due, responder.Tracker{Row: n + 1, DisputeAt: 1, Penalty: penalty, Spent: spent})
	}
	for _, l.lanes = range []int{1, 8} {
		b.Run(fmt.Sprint(l.lanes, " lanes"), func(b *testing.B) {
			p := responder.NewPublisher(l, l, towertest.Quiet())
			ctx, cancel := context.WithCancel(b.Context())
			var work sync.WaitGroup
			work.Go(func() { p.Run(ctx) })
			<-l.noted
			b.ReportAllocs()
			for b.Loop() {
				p.Wake()
				<-l.noted
			}
			cancel()
			work.Wait()
		})
	}
}
