package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/towerrpc"
)

// stopsAtStart runs a tower in a node that stops while the tower starts, which fails.
func stopsAtStart(t *testing.T, meanwhile func(*node)) error {
	t.Helper()
	n := newNode()
	n.log = slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	n.keepRunning(ctx, &daemon{
		settings: settings{dataDir: t.TempDir()}, log: n.log,
		key: func(context.Context) (*btcec.PrivateKey, error) {
			meanwhile(n)
			stop()
			return nil, errors.New("there is no key")
		},
	})
	return n.stopErr
}

// A tower that could not start yet has not failed to stop.
func TestATowerThatNeverRanStopsInGoodOrder(t *testing.T) {
	if err := stopsAtStart(t, func(*node) {}); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestATowerThatRanTellsHowItEnded(t *testing.T) {
	err := stopsAtStart(t, func(n *node) {
		n.setClient(&towerrpc.Client{}) // as once the inner door is open
		n.setClient(nil)
	})
	if err == nil {
		t.Error("no error")
	}
}
