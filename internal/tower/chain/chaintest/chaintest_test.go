package chaintest_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
)

// scan fetches and checks the best branch and returns its hashes by height.
func scan(t *testing.T, c *chaintest.Chain) []chainhash.Hash {
	t.Helper()
	p, err := chain.ParamsFor("regtest")
	if err != nil {
		t.Fatal(err)
	}
	tip, err := c.Tip(t.Context())
	if err != nil || tip.Network != "regtest" {
		t.Fatalf("%+v, %v", tip, err)
	}
	var hashes []chainhash.Hash
	for h := range tip.Height + 1 {
		raw, err := c.Block(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.ParseBlock(raw)
		if err != nil {
			t.Fatal(err)
		}
		if h > 0 && b.Prev != hashes[h-1] {
			t.Fatalf("height %d does not follow", h)
		}
		hashes = append(hashes, b.Hash)
	}
	return hashes
}

func TestBranches(t *testing.T) {
	c := chaintest.New()
	c.MineEmpty(5)
	old := scan(t, c)
	was := c.Fork(2)
	if got := scan(t, c); len(got) != 3 {
		t.Fatalf("after Fork: tip at %d", len(got)-1)
	}
	rival := c.MineEmpty(1)
	if rival.Hash == old[3] || rival.Prev != old[2] || rival.Height != 3 {
		t.Fatalf("rival %+v", rival)
	}
	c.Switch(was)
	if got := scan(t, c); len(got) != 6 || got[5] != old[5] || c.Best().Hash != old[5] {
		t.Fatal("Switch did not bring the old branch back")
	}
	c.Switch(rival)
	if got := scan(t, c); len(got) != 4 || got[3] != rival.Hash || c.At(3).Hash != rival.Hash {
		t.Fatal("Switch did not bring the shorter branch back")
	}
}

func TestMempool(t *testing.T) {
	c := chaintest.New()
	dispute := chaintest.Dispute(1)
	penalty := chaintest.Penalty(dispute, 0)
	refused := errors.New("min relay fee not met")
	c.Refuse(func(tx chain.Tx) error {
		if tx.ID == penalty.TxHash() {
			return refused
		}
		return nil
	})
	publish := func(tx *wire.MsgTx, want error) {
		t.Helper()
		if err := c.Publish(t.Context(), chaintest.Bytes(tx)); !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	publish(dispute, nil)
	publish(penalty, refused)
	c.Refuse(nil)
	publish(penalty, nil)
	publish(penalty, nil)
	if got := c.Mempool(); len(got) != 2 || got[0] != dispute.TxHash() {
		t.Fatalf("mempool %v", got)
	}
	b := c.MineMempool()
	if len(b.Txs) != 3 || b.Txs[2].Inputs[0].Hash != dispute.TxHash() || len(c.Mempool()) != 0 {
		t.Fatalf("mined %+v", b)
	}
	publish(penalty, chaintest.ErrConfirmed)
	if got := c.Published(); len(got) != 5 || got[1].Tx.ID != penalty.TxHash() || got[1].Err != refused {
		t.Fatalf("published %+v", got)
	}
	if err := c.Publish(t.Context(), []byte{1}); !errors.Is(err, chain.ErrMalformed) {
		t.Fatal(err)
	}
	c.Fork(0)
	publish(penalty, nil)
	c.DropMempool()
	if len(c.Mempool()) != 0 {
		t.Fatal("mempool not dropped")
	}
}

func TestFaults(t *testing.T) {
	c := chaintest.New()
	c.MineEmpty(3)
	down := errors.New("backend is down")
	c.Fail(chaintest.BlockCall, 2, down)
	c.Corrupt(1, func(raw []byte) []byte { return raw[:80] })
	for i, want := range []error{down, down, nil, nil} {
		raw, err := c.Block(t.Context(), 1)
		if !errors.Is(err, want) || i == 2 && len(raw) != 80 || i == 3 && len(raw) == 80 {
			t.Fatalf("call %d: %d bytes, %v", i, len(raw), err)
		}
	}
	c.Fail(chaintest.TipCall, chaintest.Forever, down)
	for range 3 {
		if _, err := c.Tip(t.Context()); err != down {
			t.Fatal(err)
		}
	}
	c.Heal(chaintest.TipCall)
	c.SetNetwork("main")
	if tip, err := c.Tip(t.Context()); err != nil || tip.Network != "main" || tip.Height != 3 {
		t.Fatalf("%+v, %v", tip, err)
	}
	c.Prune(2)
	for height, want := range []error{chain.ErrPruned, chain.ErrPruned, nil, nil, chain.ErrNoBlock} {
		if _, err := c.Block(t.Context(), uint32(height)); !errors.Is(err, want) {
			t.Fatalf("height %d: %v", height, err)
		}
	}
	if tips, blocks := c.Calls(chaintest.TipCall), c.Calls(chaintest.BlockCall); tips != 4 || blocks != 9 {
		t.Fatalf("counted %d and %d", tips, blocks)
	}
}

func TestStallLastsUntilTheContextEnds(t *testing.T) {
	c := chaintest.New()
	c.Stall(chaintest.PublishCall, 1)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- c.Publish(ctx, chaintest.Bytes(chaintest.Dispute(1))) }()
	if err := c.AwaitCalls(t.Context(), chaintest.PublishCall, 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-answer; err != context.Canceled || len(c.Published()) != 0 {
		t.Fatal(err)
	}
}

func TestAwait(t *testing.T) {
	c := chaintest.New()
	tx := chaintest.Dispute(1)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := c.Publish(t.Context(), chaintest.Bytes(tx)); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.AwaitPublished(ctx, tx.TxHash(), 3); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	ended, end := context.WithCancel(t.Context())
	end()
	if err := c.AwaitPublished(ended, tx.TxHash(), 4); err != context.Canceled {
		t.Fatal(err)
	}
}

func TestHelpers(t *testing.T) {
	dispute := chaintest.Dispute(1)
	a, b := chaintest.Penalty(dispute, 0), chaintest.Penalty(dispute, 1)
	if dispute.TxHash() == chaintest.Dispute(2).TxHash() || dispute.TxHash() != chaintest.Dispute(1).TxHash() {
		t.Error("disputes are not told apart by n alone")
	}
	if a.TxHash() == b.TxHash() || a.TxIn[0].PreviousOutPoint != b.TxIn[0].PreviousOutPoint {
		t.Error("rivals do not spend the same output")
	}
	tx, err := chain.ParseTx(chaintest.Bytes(a))
	if err != nil || tx.Inputs[0].Hash != dispute.TxHash() || !bytes.Equal(tx.Raw, chaintest.Bytes(a)) {
		t.Errorf("%+v, %v", tx, err)
	}
}
