package harness

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// ErrNoTeosd says that this machine has no rust-teos.
var ErrNoTeosd = errors.New("no teosd on PATH, and VIGIL_TEOSD is not set")

// Teosd is the tower of rust-teos, over a bitcoind.
type Teosd struct {
	t       T
	dir     string
	address string
	program string
	proc    *process
}

// FindTeosd tells where teosd is, or fails with ErrNoTeosd.
func FindTeosd() (string, error) {
	if path := os.Getenv("VIGIL_TEOSD"); path != "" {
		return path, nil
	}
	path, err := exec.LookPath("teosd")
	if err != nil {
		return "", ErrNoTeosd
	}
	return path, nil
}

// StartTeosd starts a tower of rust-teos that has seen the node's chain.
func StartTeosd(t T, program string, node *Node) *Teosd {
	t.Helper()
	s := &Teosd{t: t, dir: Dir(t), address: FreeAddress(t), program: program}
	bitcoind, err := url.Parse(node.URL())
	if err != nil {
		t.Fatalf("the node's URL: %v", err)
	}
	conf := fmt.Sprintf("api_bind = \"127.0.0.1\"\napi_port = %s\nrpc_port = %s\ninternal_api_bind = \"127.0.0.1\"\n"+
		"internal_api_port = %s\nbtc_network = \"regtest\"\nbtc_rpc_cookie = %q\nbtc_rpc_connect = %q\nbtc_rpc_port = %s\n"+
		"polling_delta = 1\nsubscription_slots = 1000\nsubscription_duration = 1000\n",
		port(s.address), port(FreeAddress(t)), port(FreeAddress(t)), node.Cookie(), bitcoind.Hostname(), bitcoind.Port())
	if err := os.WriteFile(filepath.Join(s.dir, "teos.toml"), []byte(conf), 0o600); err != nil {
		t.Fatalf("configure teosd: %v", err)
	}
	showOnFailure(t, "teosd", s.logPath())
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

func (s *Teosd) logPath() string { return filepath.Join(s.dir, "teosd.log") }

// Dir is the data directory.
func (s *Teosd) Dir() string { return s.dir }

// Address is where its API listens.
func (s *Teosd) Address() string { return s.address }

// HTTP is the door to its API.
func (s *Teosd) HTTP() HTTPDoor { return HTTPDoor("http://" + s.address) }

// Start starts it and waits until it listens.
func (s *Teosd) Start() {
	s.t.Helper()
	var err error
	cmd := exec.Command(s.program, "--datadir="+s.dir, "--apibind=127.0.0.1", "--btcnetwork=regtest")
	if s.proc, err = startProcess(cmd, s.logPath()); err != nil {
		s.t.Fatalf("start teosd: %v", err)
	}
	Until(s.t, "teosd to listen", func() bool {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// Stop ends it.
func (s *Teosd) Stop() {
	s.t.Helper()
	if err := s.proc.signal(syscall.SIGTERM, Patience); err != nil {
		s.t.Errorf("stop teosd: %v", err)
	}
}

// Sees waits until it has processed a block.
func (s *Teosd) Sees(block chainhash.Hash) {
	s.t.Helper()
	Until(s.t, "teosd to process a block", func() bool {
		log, err := os.ReadFile(s.logPath())
		return err == nil && strings.Contains(string(log), "New block received: "+block.String())
	})
}
