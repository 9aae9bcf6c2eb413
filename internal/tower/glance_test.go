package tower_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/towertest"
	"vigil/internal/tower/watcher"
)

// damaged is a store in which one appointment can't be read.
type damaged struct {
	tower.Store
	row int64
}

func (s damaged) Update(ctx context.Context, f func(tower.Tx) error) error {
	return s.Store.Update(ctx, func(tx tower.Tx) error { return f(damagedTx{tx, s.row}) })
}

func (s damaged) View(ctx context.Context, f func(tower.Tx) error) error {
	return s.Store.View(ctx, func(tx tower.Tx) error { return f(damagedTx{tx, s.row}) })
}

type damagedTx struct {
	tower.Tx
	row int64
}

func (tx damagedTx) AppointmentIn(row int64) (watcher.Appointment, error) {
	if row == tx.row {
		return watcher.Appointment{}, errors.Join(tower.ErrStore, errors.New("database disk image is malformed"))
	}
	return tx.Tx.AppointmentIn(row)
}

// One user's damaged page must not leave the others without an answer.
func TestADamagedAppointmentStopsTheBlockAndNotTheAnswers(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	for n := range uint32(3) {
		b.add(alice, appointment(alice, n, 0))
	}
	terms := tower.Terms{Terms: gatekeeper.Terms{Slots: slots, Duration: duration}, RecentBlocks: recent}
	hurt := tower.New(towertest.Key(0), damaged{b.store, 2}, terms, towertest.Quiet())
	var answered []chainhash.Hash
	hurt.OnUnrecorded(func(a responder.Answer) { answered = append(answered, a.Dispute.ID) })
	block := b.chain.Mine(chaintest.Dispute(0), chaintest.Dispute(1), chaintest.Dispute(2))
	if err := hurt.Connect(t.Context(), block); !errors.Is(err, watcher.ErrUnreadable) || !errors.Is(err, tower.ErrStore) {
		t.Errorf("got %v, want %v", err, watcher.ErrUnreadable)
	}
	if tip, _, err := hurt.Tip(t.Context()); err != nil || tip.Height != 10 {
		t.Errorf("the tip is %d, %v", tip.Height, err)
	}
	b.must(hurt.Glance(t.Context(), block))
	if len(answered) != 2 || !slices.Contains(answered, chaintest.Dispute(0).TxHash()) ||
		!slices.Contains(answered, chaintest.Dispute(2).TxHash()) {
		t.Errorf("answered %v", answered)
	}
	b.must(b.Connect(t.Context(), block)) // it was repaired
	answered = nil
	b.must(hurt.Glance(t.Context(), block))
	if len(answered) != 0 {
		t.Errorf("what is recorded was answered unrecorded: %v", answered)
	}
}
