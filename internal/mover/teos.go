// Package mover reads what towers of other makes have stored, so that a tower
// can keep the promises that they made. It never writes to their files.
package mover

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// teosFile is the store of rust-teos, in a directory of its network's name.
const teosFile = "teos_db.sql3"

// networks are the directories that rust-teos may have, in bitcoind's names.
var networks = []string{"main", "test", "signet", "regtest"}

// Errors that say what the operator must do first.
var (
	// ErrNoTeos says that there is no store of rust-teos.
	ErrNoTeos = errors.New("name the data directory of rust-teos (~/.teos), or the one of its network below it, which has " + teosFile)
	// ErrSeveral says that a directory has the stores of several networks.
	ErrSeveral = errors.New("this directory has several networks: name the one to import, as in DIR/main")
	// ErrRunning says that the other tower runs.
	ErrRunning = errors.New("teosd runs: stop it first (teos-cli stop), and don't start it again once its clients are served here")
	// ErrUnclean says that the store has a journal that is to be rolled back.
	ErrUnclean = errors.New("teosd was not stopped cleanly: start and stop it once more, or let `sqlite3 FILE 'PRAGMA integrity_check'` roll its journal back")
	// ErrNotTeos says that a store is not one of rust-teos, or a damaged one.
	ErrNotTeos = errors.New("not a store of rust-teos, or a damaged one")
)

// Teos is the store of a stopped tower of rust-teos, open for reading.
type Teos struct {
	// Network is bitcoind's name, by the directory; empty where that has
	// another name.
	Network string
	// Key is the tower's, the newest in the store; OlderKeys is how many
	// others there are.
	Key       *btcec.PrivateKey
	OlderKeys int
	// LastBlock is the last that it processed, if it noted one.
	LastBlock *chainhash.Hash
	// Greatest is the greatest height that anything in the store names, if it can
	// be one.
	Greatest uint32
	// OnionKey is the expanded key of its onion service, 64 bytes, if it had one.
	OnionKey []byte

	db *sql.DB
	Findings
}

// OpenTeos opens the store in a file, in the directory of its network, or in the
// data directory above that.
func OpenTeos(ctx context.Context, path string) (*Teos, error) {
	file, err := findTeos(path)
	if err != nil {
		return nil, err
	}
	if pid := openBy(file); pid != 0 {
		return nil, fmt.Errorf("%w (process %d uses %s)", ErrRunning, pid, file)
	}
	for _, ending := range []string{"-journal", "-wal"} {
		if info, err := os.Stat(file + ending); err == nil && info.Size() > 0 {
			return nil, fmt.Errorf("%w (%s)", ErrUnclean, file+ending)
		}
	}
	query := url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(0)"}}
	name := url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	s := &Teos{db: db}
	if err := s.open(ctx, file); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func findTeos(path string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: no such file or directory: %w", path, ErrNoTeos)
	}
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return path, nil
	}
	var found []string
	for _, dir := range append([]string{""}, networks...) {
		file := filepath.Join(path, dir, teosFile)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			found = append(found, file)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no %s in %s: %w", teosFile, path, ErrNoTeos)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: %s", ErrSeveral, strings.Join(found, ", "))
}

// Close ends the reading.
func (s *Teos) Close() error { return s.db.Close() }

func (s *Teos) open(ctx context.Context, file string) error {
	if err := s.check(ctx); err != nil {
		return fmt.Errorf("%s: %w: %w", file, ErrNotTeos, err)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return err
	}
	if name := filepath.Base(dir); slices.Contains(networks, name) {
		s.Network = name
	}
	const keySize = 64 // ed25519, expanded
	key, err := os.ReadFile(filepath.Join(dir, "onion_v3_sk"))
	if err == nil && len(key) == keySize {
		s.OnionKey = key
	}
	return nil
}

func (s *Teos) check(ctx context.Context) error {
	var verdict string
	if err := s.db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil || verdict != "ok" {
		return fmt.Errorf("integrity_check says %.100q: %w", verdict, err)
	}
	if err := s.readKey(ctx); err != nil {
		return fmt.Errorf("its key: %w", err)
	}
	if err := s.readBlock(ctx); err != nil {
		return fmt.Errorf("its last block: %w", err)
	}
	return s.db.QueryRowContext(ctx, `WITH heights (h) AS (SELECT start_block FROM appointments
		UNION ALL SELECT height FROM trackers UNION ALL SELECT subscription_start FROM users)
		SELECT COALESCE(MAX(h), 0) FROM heights WHERE TYPEOF(h) = 'integer' AND h BETWEEN 0 AND 4294967295`).Scan(&s.Greatest)
}

func (s *Teos) readKey(ctx context.Context) error {
	var text string
	err := s.db.QueryRowContext(ctx, `SELECT key, (SELECT COUNT(*) - 1 FROM keys) FROM keys ORDER BY id DESC LIMIT 1`).
		Scan(&text, &s.OlderKeys)
	if err != nil {
		return err
	}
	secret, err := hex.DecodeString(text)
	if err != nil || len(secret) != btcec.PrivKeyBytesLen {
		return errors.New("not 32 bytes of hex")
	}
	var scalar btcec.ModNScalar
	if scalar.SetByteSlice(secret) || scalar.IsZero() {
		return errors.New("not a private key")
	}
	s.Key, _ = btcec.PrivKeyFromBytes(secret)
	return nil
}

func (s *Teos) readBlock(ctx context.Context) error {
	var raw []byte
	err := s.db.QueryRowContext(ctx, `SELECT block_hash FROM last_known_block WHERE id = 0`).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	hash, err := chainhash.NewHash(raw)
	s.LastBlock = hash
	return err
}
