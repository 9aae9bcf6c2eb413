package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vigil/internal/teos"
	"vigil/internal/towerrpc"
	"vigil/tests/harness"
)

// served is a tower under load.
type served struct {
	address string
	key     teos.UserID
	solo    *harness.Solo
	dir     string
	pid     int
}

func (t *served) cpu() time.Duration { return cpuOf(t.pid) }

// backend is the node that is measured over: bitcoind where there is one.
func backend() harness.Backend {
	if bitcoind, err := harness.Bitcoind(); err == nil {
		return bitcoind
	}
	return harness.Btcd()
}

// wide are options that let few users hold many appointments.
var wide = harness.Options{"subscription-slots": 20_000_000, "subscription-duration": 1_000_000, "max-subscription": 0}

// startTower starts the built tower on a directory, which may hold a store that no
// tower has used yet.
func (b *bench) startTower(node *harness.Node, dir string, options harness.Options) *served {
	b.Helper()
	b.check("make the data directory", os.MkdirAll(dir, 0o700))
	b.check("write a key", os.WriteFile(filepath.Join(dir, "tower.key"), []byte(strings.Repeat("01", 32)), 0o600))
	t := &served{dir: dir, solo: harness.NewSolo(b, node, harness.PlainVigil(b), dir, options)}
	t.address = strings.TrimPrefix(string(t.solo.HTTP()), "http://")
	b.launch(t)
	harness.Until(b, "the tower to answer a ping", func() bool { return t.solo.HTTP().Ping(b.ctx) })
	info, err := t.solo.Info(b.ctx)
	b.check("vigil info", err)
	t.key, err = towerKey(info.TowerID)
	b.check("the tower's key", err)
	return t
}

func (b *bench) launch(t *served) {
	t.solo.Launch()
	t.pid = t.solo.Pid()
}

// settle waits until the tower has processed the chain up to a height. It asks
// at the inner door: a command would cost a process each time.
func (b *bench) settle(t *served, height int) {
	b.Helper()
	inner, err := towerrpc.Dial(filepath.Join(t.dir, "vigil.sock"))
	b.check("dial the inner door", err)
	defer inner.Close()
	ok := harness.Eventually(b.ctx, 10*time.Minute, func() bool {
		var info struct{ Height int }
		answer, err := inner.Ask(b.ctx, "info", nil)
		return err == nil && json.Unmarshal(answer, &info) == nil && info.Height >= height
	})
	if !ok {
		b.Fatalf("waited ten minutes for the tower to process block %d", height)
	}
}

// newTower starts a tower on an empty directory.
func (b *bench) newTower(node *harness.Node) *served {
	b.Helper()
	return b.startTower(node, filepath.Join(harness.Dir(b), "data"), wide)
}

// register registers users, each once.
func (b *bench) register(t *served, users []user) {
	b.Helper()
	requests := make([][]byte, len(users))
	for i, u := range users {
		requests[i] = post(t.address, "register", u.registration())
	}
	b.load(t, 1, requests, time.Minute, nil)
}
