package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/bitcoind"
	"vigil/internal/cln"
	"vigil/internal/tower/chain"
	"vigil/internal/towerrpc"
)

const (
	// prefix stands before every option of ours in lightningd.
	prefix = "vigil-"
	// pollNode is how often lightningd is asked for a new block although
	// it did not announce one: each question is a process of its own there.
	pollNode = 30 * time.Second
	// retryStart is the longest wait until a tower that could not start is
	// started again: the disk or the lock may be free by then.
	retryStart = 30 * time.Second
)

// node is the tower as a plugin of lightningd.
type node struct {
	plugin *cln.Plugin
	log    *slog.Logger
	level  slog.LevelVar
	hint   atomic.Pointer[func()]
	client atomic.Pointer[towerrpc.Client]
	reason atomic.Pointer[error] // why the tower does not run
	rules  atomic.Pointer[settings]
	watch  atomic.Pointer[watch] // nil until lightningd has told the options
	parts  sync.WaitGroup
	ran    atomic.Bool // the tower has been up since it was started last
	// stopErr is how the tower ended. lightningd takes no more log lines
	// then, so it leaves by standard error.
	stopErr error
}

// errStarting is why a tower does not run that will in a moment.
var errStarting = errors.New("it is starting")

func newNode() *node {
	n := &node{plugin: &cln.Plugin{}}
	n.log = slog.New(leveled{n.plugin.LogHandler(), &n.level})
	n.plugin.Methods = n.methods()
	n.plugin.Notifications = topics()
	n.plugin.Options = nodeOptions()
	n.plugin.Init = n.init
	n.plugin.Block = func(uint32) {
		if hint := n.hint.Load(); hint != nil {
			(*hint)()
		}
	}
	n.fail(errStarting)
	return n
}

// nodeOptions are the options as lightningd offers them.
func nodeOptions() []cln.Option {
	var list []cln.Option
	for _, o := range offered(inNode) {
		option := cln.Option{Name: prefix + o.name, Type: "string", Description: o.help}
		switch number, err := strconv.Atoi(o.fallback); {
		case o.number && err == nil:
			option.Type, option.Default = "int", number
		case o.fallback != "":
			option.Default = o.fallback
		}
		list = append(list, option)
	}
	return list
}

// Run serves lightningd until it is gone or wants the plugin to stop.
func (n *node) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	err := n.plugin.Run(ctx, in, out)
	n.parts.Wait()
	return errors.Join(err, n.stopErr)
}

// init is called by lightningd once, and must return at once: what takes time
// happens behind it. Its reason tells a human what to change.
func (n *node) init(ctx context.Context, c cln.Config) (disable string) {
	r := defaults()
	for name, value := range c.Options {
		if text, ok := optionText(value); ok && len(name) > len(prefix) {
			r[name[len(prefix):]] = text
		}
	}
	r["network"] = c.Network
	if r["data-dir"] == "" {
		r["data-dir"] = filepath.Join(c.LightningDir, "vigil")
	}
	s, err := resolve(r, prefix)
	if err != nil {
		return err.Error()
	}
	n.level.Set(s.level)
	n.rules.Store(&s)
	w := newWatch(s, n.log)
	n.watch.Store(w)
	n.parts.Go(func() { w.run(ctx, n.log) })
	n.parts.Go(func() { n.keepRunning(ctx, n.daemon(s, w, cln.DialRPC(c.RPCFile))) })
	return ""
}

// optionText returns an option's JSON value as it would be typed.
func optionText(value json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text, true
	}
	var number json.Number
	if json.Unmarshal(value, &number) == nil {
		return number.String(), true
	}
	return "", false
}

// daemon joins a tower to lightningd: its key, its blocks, its mempool.
func (n *node) daemon(s settings, w *watch, rpc *cln.RPC) *daemon {
	d := &daemon{
		inNode:   true,
		settings: s, log: n.log, source: w.source(lightningdName, cln.NewChain(rpc)), poll: pollNode, watch: w,
		key: func(ctx context.Context) (*btcec.PrivateKey, error) {
			secret, err := cln.TowerSecret(ctx, rpc)
			if err != nil {
				return nil, err
			}
			return parseKey(secret[:])
		},
		ready: n.setClient,
		tell:  n.plugin.Notify,
	}
	var direct *bitcoind.Client
	if s.node != nil {
		// The options were checked: it can't fail any more.
		var err error
		if direct, err = bitcoind.New(*s.node); err == nil {
			d.pair = chain.NewPair(chain.Backend{Name: bitcoindName, Source: w.source(bitcoindName, direct)},
				chain.Backend{Name: lightningdName, Source: d.source}, n.log)
			d.source = d.pair
			d.poll, d.tryOut, d.tells = pollBitcoind, direct.TestAccept, direct.Tells
		}
	}
	d.zmq = s.subscription()
	blocks := blockHints(direct, d.zmq, n.log)
	d.hints = func(ctx context.Context, wake func()) {
		n.hint.Store(&wake)
		defer n.hint.Store(nil)
		blocks(ctx, wake)
	}
	return d
}

// keepRunning starts the tower again and again until ctx ends: what stopped it
// is not for the node to suffer from, and the operator is told.
func (n *node) keepRunning(ctx context.Context, d *daemon) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, retryStart) {
		n.ran.Store(false)
		err := d.run(ctx)
		if err == nil && ctx.Err() == nil {
			err = errors.New("it ended by itself")
		}
		if ctx.Err() != nil {
			if err != nil && n.ran.Load() {
				n.stopErr = fmt.Errorf("the tower did not stop in good order: %w", err)
			}
			return
		}
		n.fail(err)
		d.watch.Close(err)
		n.log.Error("the tower does not run; trying again", "err", err, "in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (n *node) setClient(c *towerrpc.Client) {
	n.client.Store(c)
	if c == nil {
		n.fail(errors.New("it is stopping"))
		return
	}
	n.ran.Store(true)
}

func (n *node) fail(err error) {
	n.reason.Store(&err)
}

// leveled hides records below the operator's level from a handler.
type leveled struct {
	slog.Handler
	level slog.Leveler
}

func (l leveled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= l.level.Level() && l.Handler.Enabled(ctx, level)
}

func (l leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{l.Handler.WithAttrs(attrs), l.level}
}

func (l leveled) WithGroup(name string) slog.Handler {
	return leveled{l.Handler.WithGroup(name), l.level}
}
