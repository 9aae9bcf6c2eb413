package tower_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/towertest"
)

// disk is a store on a disk with a reserve: it is full while the reserve is held.
type disk struct {
	tower.Store
	full, held, stuck bool
	writes            int
}

func (d *disk) Update(ctx context.Context, f func(tower.Tx) error) error {
	d.writes++
	if d.full && d.held || d.stuck {
		return d.Store.Update(ctx, func(tx tower.Tx) error {
			return errors.Join(f(tx), fmt.Errorf("%w: %w", tower.ErrStore, tower.ErrFull))
		})
	}
	return d.Store.Update(ctx, f)
}

func (d *disk) Release() bool {
	was := d.held
	d.held = false
	return was
}

func (d *disk) Hold() error {
	if d.full && !d.held {
		return fmt.Errorf("%w: no room", tower.ErrStore)
	}
	d.held = true
	return nil
}

func onDisk(t *testing.T) (*bench, *tower.Tower, *disk) {
	t.Helper()
	b := newBench(t)
	b.register(alice)
	d := &disk{Store: b.store, held: true}
	terms := tower.Terms{Terms: gatekeeper.Terms{Slots: slots, Duration: duration}, RecentBlocks: recent}
	full := tower.New(towertest.Key(0), d, terms, towertest.Quiet())
	full.KeepReserve(d)
	return b, full, d
}

// Bitcoind on the same disk fills it: blocks are still processed, and breaches
// recorded, from the room that appointments are not let into.
func TestBlocksAreProcessedFromTheReserveOfAFullDisk(t *testing.T) {
	b, full, d := onDisk(t)
	b.add(alice, appointment(alice, 1, 0))
	d.full = true
	add := func() error {
		_, err := full.AddAppointment(t.Context(), alice.Add(t, appointment(alice, 2, 0)))
		return err
	}
	if err := add(); !errors.Is(err, tower.ErrStore) {
		t.Errorf("on a full disk: %v", err)
	}
	b.must(full.Connect(t.Context(), b.chain.Mine(chaintest.Dispute(1))))
	b.must(full.Connect(t.Context(), b.chain.Mine()))
	if w := b.get(alice, 1); !w.Triggered {
		t.Error("the breach was not recorded")
	}
	for name, call := range map[string]func() error{
		"an appointment": add,
		"a registration": func() error { _, err := full.Register(t.Context(), alice.Register(t)); return err },
		"a probe":        func() error { return full.Ready(t.Context(), true) },
	} {
		before := d.writes
		if err := call(); !errors.Is(err, tower.ErrStore) || d.writes != before {
			t.Errorf("%s into the reserve: %v", name, err)
		}
	}
	info, err := full.Info(t.Context())
	if b.must(err); info.StoreError == "" {
		t.Error("the operator is not told")
	}
	d.full = false
	b.must(add())
	if info, err = full.Info(t.Context()); err != nil || info.StoreError != "" {
		t.Errorf("there is room again: %q, %v", info.StoreError, err)
	}
}

// The disk may be fuller than the reserve is large, or read-only.
func TestAReserveThatDoesNotHelpIsGivenUpOnce(t *testing.T) {
	b, full, d := onDisk(t)
	b.add(alice, appointment(alice, 1, 0))
	d.stuck = true
	block := b.chain.Mine(chaintest.Dispute(1))
	for _, writes := range []int{2, 3} {
		if err := full.Connect(t.Context(), block); !errors.Is(err, tower.ErrStore) || d.writes != writes {
			t.Errorf("%d writes: %v", d.writes, err)
		}
	}
	if w := b.get(alice, 1); w.Triggered {
		t.Error("what failed left something")
	}
	if info, err := full.Info(t.Context()); err != nil || info.StoreError == "" {
		t.Errorf("the operator is told %q, %v", info.StoreError, err)
	}
	d.stuck = false
	b.must(full.Connect(t.Context(), block))
	if w := b.get(alice, 1); !w.Triggered {
		t.Error("the breach was not recorded afterwards")
	}
	_, err := full.AddAppointment(t.Context(), alice.Add(t, appointment(alice, 1, 0)))
	b.wantCause(err, teos.AlreadyTriggered, teos.V2)
}
