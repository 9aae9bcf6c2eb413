package watchroom

import (
	"context"
	"errors"
	"time"

	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

// Source returns a source whose calls are counted under a name.
func (m *Metrics) Source(name string, s chain.Source) chain.Source {
	return chain.Observe(s, func(what chain.Call, err error, took time.Duration) {
		if errors.Is(err, context.Canceled) {
			return // it was us
		}
		m.sourceCalls.WithLabelValues(name, string(what), sourceOutcome(what, err)).Inc()
		m.sourceTime.WithLabelValues(name, string(what)).Observe(took.Seconds())
	})
}

// Follow returns a tower whose blocks are counted.
func (m *Metrics) Follow(t chain.Tower) chain.Tower { return followed{t, m} }

type followed struct {
	chain.Tower
	metrics *Metrics
}

func (f followed) Begin(ctx context.Context, b *chain.Block) error {
	began := time.Now()
	return f.metrics.processed(began, f.Tower.Begin(ctx, b))
}

func (f followed) Connect(ctx context.Context, b *chain.Block) error {
	began := time.Now()
	return f.metrics.processed(began, f.Tower.Connect(ctx, b))
}

func (f followed) Disconnect(ctx context.Context, fork uint32) error {
	err := f.Tower.Disconnect(ctx, fork)
	if err == nil {
		f.metrics.reorgs.Inc()
	}
	return err
}

func (m *Metrics) processed(began time.Time, err error) error {
	if err != nil {
		return err
	}
	m.blocks.Inc()
	m.blockTime.Observe(time.Since(began).Seconds())
	m.lastBlock.SetToCurrentTime()
	select {
	case m.blockCounted <- struct{}{}:
		m.registry.MustRegister(m.lastBlock)
	default:
	}
	return nil
}

// Store returns a store whose failures are counted.
func (m *Metrics) Store(s tower.Store) tower.Store { return counted{s, m} }

type counted struct {
	tower.Store
	metrics *Metrics
}

func (c counted) Update(ctx context.Context, f func(tower.Tx) error) error {
	return c.metrics.stored(opWrite, c.Store.Update(ctx, f))
}

func (c counted) View(ctx context.Context, f func(tower.Tx) error) error {
	return c.metrics.stored(opRead, c.Store.View(ctx, f))
}

const (
	opRead, opWrite                  = "read", "write"
	kindFull, kindDamaged, kindOther = "full", "damaged", "other"
)

func (m *Metrics) stored(operation string, err error) error {
	if !errors.Is(err, tower.ErrStore) {
		return err
	}
	kind := kindOther
	switch {
	case errors.Is(err, tower.ErrFull):
		kind = kindFull
	case errors.Is(err, tower.ErrDamaged):
		kind = kindDamaged
	}
	m.storeErrors.WithLabelValues(operation, kind).Inc()
	return err
}
