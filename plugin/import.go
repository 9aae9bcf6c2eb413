package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"vigil/internal/bitcoind"
	"vigil/internal/mover"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/store"
)

const aboutImport = `Takes a tower of rust-teos over: DIR is its data directory (~/.teos), or the
one of its network below it. teosd must be stopped, and is only read from.
Users, appointments, breaches that are being answered, and the tower's key come
to the data directory; then start ` + "`vigil tower`" + ` where the clients
expect the tower, with the same address and port.

Run again, it takes what is new only. The exit status is 1, too, where all else
was taken and some rows could not be kept: the last line says how many.`

// importBack is how many blocks before the last one that the other tower processed
// this one goes on: what befell the breaches that it still answers lies after
// that, and so does what it may have missed.
const importBack = 144

// importTimeout bounds each question to bitcoind.
const importTimeout = 30 * time.Second

func importOptions() []option {
	list := pick("network", "data-dir", "bitcoind", "bitcoind-cookie")
	for i := range list {
		if list[i].name == "network" {
			list[i].fallback = ""
			list[i].help = "The chain, where the directory's name does not tell it."
		}
	}
	return append(list, option{name: "dry-run", toggle: true,
		help: "Read and check everything, and say what would be taken, without keeping any of it."})
}

// importCommand is `vigil import-teos DIR`.
func importCommand(ctx context.Context, args []string, out io.Writer) (err error) {
	r, err := parseFlags("import-teos DIR", aboutImport, args, importOptions(), []string{"from"}, out)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if r["from"] == "" {
		return errors.New("name the data directory of rust-teos: see `vigil import-teos --help`")
	}
	from, err := mover.OpenTeos(ctx, r["from"])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	m := &move{from: from, dry: r["dry-run"] == "true", out: out}
	if err := m.resolve(r); err != nil {
		return err
	}
	return m.run(ctx)
}

// errOtherNetwork says that a tower is asked for under another network's name.
var errOtherNetwork = errors.New("this tower is of another network")

// move is a tower on its way to this program.
type move struct {
	from    *mover.Teos
	network string
	dir     string
	node    *bitcoind.Client
	backend []string // options by which bitcoind is found, fit to be shown
	dry     bool
	out     io.Writer
}

func (m *move) resolve(r raw) (err error) {
	if r["network"] == "" {
		r["network"] = directoryOf(m.from.Network)
	}
	if m.network = canonical(r["network"]); m.network == "" {
		return errors.New("which chain is it of? Say --network bitcoin, testnet, signet or regtest (the directory's name tells nothing)")
	}
	if m.from.Network != "" && m.from.Network != m.network {
		return fmt.Errorf("%w: the directory's name says %s, --network says %s", errOtherNetwork, directoryOf(m.from.Network), r["network"])
	}
	if m.dir, err = dataDir(r); err != nil {
		return err
	}
	m.backend = backendShown(r)
	m.node, err = bitcoind.New(bitcoind.Config{URL: r["bitcoind"], CookieFile: r["bitcoind-cookie"], Network: m.network})
	return err
}

func (m *move) run(ctx context.Context) (err error) {
	defer m.node.Close()
	base, err := m.base(ctx)
	if err != nil {
		return fmt.Errorf("ask bitcoind where the other tower stopped: %w", err)
	}
	if m.dry {
		return m.try(ctx, base)
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	unlock, err := lockDir(filepath.Join(m.dir, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	if err := m.sameKey(); err != nil {
		return err
	}
	d := daemon{settings: settings{dataDir: m.dir}, log: slog.New(slog.DiscardHandler)}
	if err := d.missing(); err != nil {
		return err
	}
	report, err := m.adopt(ctx, d.path(storeFile), base)
	if err != nil {
		return err
	}
	// Last: a key without what was promised under it would be a tower that
	// has forgotten everything, and says nothing of it.
	if err := errors.Join(writeKey(d.path(keyFile), m.from.Key), m.onion()); err != nil {
		return err
	}
	d.mark(tower.New(m.from.Key, nil, tower.Terms{}, d.log).ID())
	return m.tell(ctx, report)
}

// onion keeps the address of the other tower's onion service, unless there is one
// here already.
func (m *move) onion() error {
	file := filepath.Join(m.dir, onionKeyFile)
	if _, err := os.Stat(file); m.from.OnionKey == nil || err == nil {
		return nil
	}
	return writeSecret(file, m.from.OnionKey)
}

// try does all of it and keeps nothing: on the store that is there, undone at the
// end, or on one that is thrown away.
func (m *move) try(ctx context.Context, base chain.Header) (err error) {
	file := filepath.Join(m.dir, storeFile)
	if _, errStat := os.Stat(file); errStat != nil {
		temporary, err := os.MkdirTemp("", "vigil-import-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
		file = filepath.Join(temporary, storeFile)
	} else {
		unlock, err := lockDir(filepath.Join(m.dir, lockFile))
		if err != nil {
			return err
		}
		defer unlock()
	}
	if err := m.sameKey(); err != nil {
		return err
	}
	report, err := m.adopt(ctx, file, base)
	if err != nil {
		return err
	}
	return m.tell(ctx, report)
}

// errOtherKey says why a tower can't move into a directory.
var errOtherKey = errors.New("this data directory is another tower's: clients know a tower by its key, so one can't take over " +
	"the promises of another. Name an empty directory with --data-dir and run `vigil tower` there. " +
	"(A tower inside lightningd has the node's own key: it can't become that of rust-teos; run `vigil tower` beside it.)")

func (m *move) sameKey() error {
	path := filepath.Join(m.dir, keyFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	key, err := readKey(path)
	if err == nil && !key.Key.Equals(&m.from.Key.Key) {
		err = fmt.Errorf("%w (%s)", errOtherKey, path)
	}
	return err
}

func (m *move) adopt(ctx context.Context, file string, base chain.Header) (report tower.Adopted, err error) {
	db, err := store.Open(ctx, file)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	t := tower.New(m.from.Key, db, tower.Terms{}, slog.New(slog.DiscardHandler))
	if err := t.Claim(ctx, m.network); err != nil {
		if errors.Is(err, tower.ErrOtherTower) {
			err = fmt.Errorf("%w (%w)", errOtherKey, err)
		}
		return report, err
	}
	return t.Adopt(ctx, tower.Adoption{Promises: &counted{Promises: m.from, out: os.Stderr}, Base: base, Dry: m.dry})
}

// base finds the block to go on behind. A block that the node does not know any
// more is one of a branch that nobody follows: heights serve then.
func (m *move) base(ctx context.Context) (base chain.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	tip, err := m.node.Tip(ctx)
	if err != nil {
		return base, err
	}
	if tip.Network != m.network {
		return base, fmt.Errorf("%w: bitcoind is on %s, the import is of %s", chain.ErrWrongNetwork, directoryOf(tip.Network), directoryOf(m.network))
	}
	height := m.from.Greatest
	if m.from.LastBlock != nil {
		last, err := m.node.Header(ctx, *m.from.LastBlock)
		if err == nil {
			height = last.Height
		} else if !errors.As(err, new(*bitcoind.RPCError)) {
			return base, err
		}
	}
	height = min(height, tip.Height)
	hash, err := m.node.BlockHash(ctx, height-min(height, importBack))
	if err != nil {
		return base, err
	}
	return m.node.Header(ctx, hash)
}
