package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vigil/tests/harness"
)

const (
	// atRest is for how long a tower is watched that has nothing to do.
	atRest = 30 * time.Second
	// settled is how long a tower is left alone after its start.
	settled = 5 * time.Second
	// unmeasurable is the share of a core that counts as none.
	unmeasurable = 0.001
)

// rest measures target 8: a tower with nothing to do, alone and in a node.
func (b *bench) rest() {
	node := harness.StartNode(b, backend())
	node.MineTo(110)
	alone := b.newTower(node)
	standIn := harness.StartLightningd(b, node, harness.PlainVigil(b), map[string]any{"vigil-api-bind": harness.FreeAddress(b)})
	plugin := childOf(standIn)
	lane := b.watchLane(standIn.PluginDir())

	b.say("at rest for %v", settled+atRest)
	b.pause(settled)
	before, beforePlugin := alone.cpu(), cpuOf(plugin)
	b.pause(atRest)
	b.tellRest("alone", alone.cpu()-before)
	b.tellRest("in a node", cpuOf(plugin)-beforePlugin)
	b.lane(node, standIn, lane)
}

// childOf is the plugin's process: it is the one that works in that directory.
func childOf(l harness.Lightningd) int { return childIn(l.PluginDir()) }

func (b *bench) tellRest(where string, used time.Duration) {
	share := used.Seconds() / atRest.Seconds()
	b.table.hold("8", "CPU at rest, "+where, fmt.Sprintf("%d ms in %s", used.Milliseconds(), short(atRest)), "at most 0.1% of a core", share <= unmeasurable)
}

// pause lets time pass: that is what is measured.
func (b *bench) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-b.ctx.Done():
	}
}

// lane measures how long lightningd's RPC is held when a large block comes, next
// to what the fetch of that block takes by itself.
func (b *bench) lane(node *harness.Node, l *harness.StandIn, lane *lane) {
	b.say("a block of 4 MB through lightningd")
	large := fund(node, 1)
	heavy(large)
	height := node.Height() + 1
	node.MineBlock(large...)
	harness.Until(b, "the tower to see the large block", func() bool {
		info, err := harness.TowerInfo(b.ctx, l)
		return err == nil && info.Height >= height
	})
	fetch := b.fetch(l.PluginDir(), height)
	longest := lane.longest()
	b.table.tell("8", "longest calls of the plugin to lightningd, 4 MB block: fetch / any other", "%s / %s",
		short(longest["getrawblockbyheight"]), short(othersIn(longest)))
	b.table.hold("8", "longest call to lightningd, beside one fetch of that block", short(max(longest["getrawblockbyheight"], othersIn(longest))),
		"one fetch, here "+short(fetch), othersIn(longest) <= max(fetch, longest["getrawblockbyheight"]))
}

// othersIn is the longest call that fetches no block. waitblockheight waits for
// a block and holds nobody up.
func othersIn(longest map[string]time.Duration) (most time.Duration) {
	for method, took := range longest {
		if method != "getrawblockbyheight" && method != "waitblockheight" {
			most = max(most, took)
		}
	}
	return most
}

// fetch asks for a block as the plugin does, and tells how long that takes.
func (b *bench) fetch(dir string, height int) time.Duration {
	b.Helper()
	conn, err := net.Dial("unix", filepath.Join(dir, "lightning-rpc"))
	b.check("dial lightningd", err)
	defer conn.Close()
	start := time.Now()
	request := map[string]any{"jsonrpc": "2.0", "id": "bench", "method": "getrawblockbyheight", "params": map[string]any{"height": height}}
	b.check("ask lightningd", json.NewEncoder(conn).Encode(request))
	var answer json.RawMessage
	b.check("hear lightningd", json.NewDecoder(conn).Decode(&answer))
	return time.Since(start)
}

// lane stands before lightningd's RPC socket and times the plugin's calls. The
// plugin makes a connection for each.
type lane struct {
	mu   sync.Mutex
	most map[string]time.Duration
}

func (l *lane) longest() map[string]time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	copied := map[string]time.Duration{}
	for method, took := range l.most {
		copied[method] = took
	}
	return copied
}

func (b *bench) watchLane(dir string) *lane {
	b.Helper()
	l := &lane{most: map[string]time.Duration{}}
	public, inner := filepath.Join(dir, "lightning-rpc"), filepath.Join(dir, "lightning-rpc.inner")
	b.check("move lightningd's socket", os.Rename(public, inner))
	listener, err := net.Listen("unix", public)
	b.check("listen on lightning-rpc", err)
	var calls sync.WaitGroup
	calls.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed below
			}
			calls.Go(func() { l.carry(b.ctx, conn, inner) })
		}
	})
	b.Cleanup(func() { listener.Close() })
	return l
}

// carry passes one call on and times its answer, until lightningd's two newlines.
func (l *lane) carry(ctx context.Context, conn net.Conn, inner string) {
	defer conn.Close()
	node, err := net.Dial("unix", inner)
	if err != nil {
		return
	}
	defer node.Close()
	ended := context.AfterFunc(ctx, func() { node.Close() })
	defer ended()
	request := make([]byte, 8<<20)
	n, err := conn.Read(request)
	if err != nil {
		return
	}
	start := time.Now()
	var call struct{ Method string }
	_ = json.Unmarshal(bytes.TrimSpace(request[:n]), &call) // one that came in pieces has no name
	if _, err := node.Write(request[:n]); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(node, conn) // until the caller goes
		_ = node.Close()
	}()
	l.answer(conn, node, func() { l.note(call.Method, time.Since(start)) })
}

func (l *lane) answer(conn, node net.Conn, done func()) {
	part := make([]byte, 1<<20)
	for {
		n, err := node.Read(part)
		if err != nil {
			return
		}
		if bytes.HasSuffix(part[:n], []byte("\n\n")) {
			done()
		}
		if _, err := conn.Write(part[:n]); err != nil {
			return
		}
	}
}

func (l *lane) note(method string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most[method] = max(l.most[method], took)
}
