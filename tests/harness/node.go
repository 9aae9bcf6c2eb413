package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// Backend is a kind of Bitcoin node that tests run on.
type Backend struct {
	// Name is "btcd" or "bitcoind".
	Name string
	// program finds or builds the node's binary.
	program func() (string, error)
	args    func(n *Node) []string
	// generate mines n blocks to the node's mining address.
	generate func(ctx context.Context, n *Node, count int) ([]string, error)
}

// ErrNoBitcoind says that this machine has no bitcoind.
var ErrNoBitcoind = errors.New("no bitcoind on PATH, and VIGIL_BITCOIND is not set")

// Btcd is the node that is always there: built from pinned sources.
func Btcd() Backend {
	return Backend{Name: "btcd", program: buildBtcd, args: btcdArgs,
		generate: func(ctx context.Context, n *Node, count int) (hashes []string, err error) {
			return hashes, n.rpc.call(ctx, &hashes, "generate", count)
		}}
}

// Bitcoind is Bitcoin Core or its like, where VIGIL_BITCOIND names it or PATH
// holds it; else ErrNoBitcoind.
func Bitcoind() (Backend, error) {
	path := os.Getenv("VIGIL_BITCOIND")
	if path == "" {
		var err error
		if path, err = exec.LookPath("bitcoind"); err != nil {
			return Backend{Name: "bitcoind"}, ErrNoBitcoind
		}
	}
	return Backend{Name: "bitcoind", args: bitcoindArgs,
		program: func() (string, error) { return path, nil },
		generate: func(ctx context.Context, n *Node, count int) (hashes []string, err error) {
			return hashes, n.rpc.call(ctx, &hashes, "generatetoaddress", count, n.miningAddress)
		}}, nil
}

// Backends are the kinds of node that this machine can run.
func Backends() []Backend {
	backends := []Backend{Btcd()}
	if bitcoind, err := Bitcoind(); err == nil {
		backends = append(backends, bitcoind)
	}
	return backends
}

// Node is a running regtest node with no peers.
type Node struct {
	// Wallet holds the key that mining pays to.
	Wallet *Wallet

	t             T
	backend       Backend
	dir           string
	rpc           *nodeRPC
	miningAddress string
	zmq           string
	proc          *process
	door          *door
	kept          []string // the best chain's blocks in hex, while btcd is stopped
	made          map[chainhash.Hash]made
}

// made is what MineBlockOn must know of its blocks: btcd says nothing of
// those that are not on the best chain.
type made struct {
	height int
	time   int64
}

// StartNode starts a node with an empty chain.
func StartNode(t T, backend Backend) *Node {
	t.Helper()
	n := &Node{t: t, backend: backend, dir: Dir(t), rpc: newNodeRPC(FreeAddress(t)),
		made: map[chainhash.Hash]made{}, door: &door{address: FreeAddress(t)}}
	n.Wallet, n.miningAddress = newWallet(t, n)
	if backend.Name == "btcd" {
		n.rpc.user, n.rpc.password = "harness", "regtest"
	} else {
		n.rpc.cookie = filepath.Join(n.dir, "regtest", ".cookie")
		n.zmq = "tcp://" + FreeAddress(t)
	}
	showOnFailure(t, backend.Name, n.logPath())
	t.Cleanup(n.end)
	n.Start()
	return n
}

func (n *Node) logPath() string { return filepath.Join(n.dir, "node.log") }

func btcdArgs(n *Node) []string {
	return []string{"--regtest", "--configfile=" + os.DevNull,
		"--datadir=" + n.dir, "--logdir=" + n.dir, "--nolisten", "--nodnsseed", "--notls",
		"--rpcuser=" + n.rpc.user, "--rpcpass=" + n.rpc.password, "--rpclisten=" + n.rpc.address,
		"--rpcmaxclients=100", "--nocfilters", "--utxocachemaxsize=16", "--miningaddr=" + n.miningAddress}
}

// bitcoindArgs have bitcoind check its whole mempool after none of its transactions,
// as on every chain but regtest: ten thousand would take it minutes.
func bitcoindArgs(n *Node) []string {
	return []string{"-regtest", "-datadir=" + n.dir, "-listen=0", "-server=1", "-daemon=0",
		"-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", "-rpcport=" + port(n.rpc.address),
		"-printtoconsole=1", "-persistmempool=0", "-checkmempool=0", "-checkblockindex=0", "-zmqpubhashblock=" + n.zmq}
}

// Start starts the node again on the chain it had, with an empty mempool, and
// waits until it answers.
func (n *Node) Start() {
	n.t.Helper()
	program, err := n.backend.program()
	if err != nil {
		n.t.Fatalf("no %s: %v", n.backend.Name, err)
	}
	cmd := exec.Command(program, n.backend.args(n)...)
	if n.proc, err = startProcess(cmd, n.logPath()); err != nil {
		n.t.Fatalf("start %s: %v", n.backend.Name, err)
	}
	if err := n.rpc.ready(n.t.Context(), n.proc.running); err != nil {
		n.t.Fatalf("%s: %v", n.backend.Name, err)
	}
	n.restoreChain()
	if err := n.door.open(n.rpc.address); err != nil {
		n.t.Fatalf("open the node's door: %v", err)
	}
}

// keepChain and restoreChain carry the best chain over a restart of btcd,
// which throws its regtest chain away whenever it starts. The door stays shut
// meanwhile: nobody sees a chain that is shorter than before.
func (n *Node) keepChain() {
	n.t.Helper()
	n.door.shut()
	if n.backend.Name != "btcd" || !n.proc.running() {
		return
	}
	n.kept = nil
	for height := 1; height <= n.Height(); height++ {
		n.kept = append(n.kept, n.blockHex(height))
	}
}

func (n *Node) restoreChain() {
	n.t.Helper()
	for _, block := range n.kept {
		n.submit(block)
	}
}

// Stop ends the node in good order.
func (n *Node) Stop() {
	n.t.Helper()
	n.keepChain()
	n.rpc.drop()
	if err := n.proc.signal(syscall.SIGTERM, Patience); err != nil {
		n.t.Fatalf("stop the node: %v", err)
	}
}

// Kill ends the node at once.
func (n *Node) Kill() {
	n.t.Helper()
	n.keepChain()
	n.end()
}

// end is the last thing that happens to a node.
func (n *Node) end() {
	n.door.shut()
	n.rpc.drop()
	if n.proc == nil {
		return
	}
	if err := n.proc.kill(); err != nil {
		n.t.Errorf("kill the node: %v", err)
	}
}

// Name is the backend's name.
func (n *Node) Name() string { return n.backend.Name }

// URL is http://host:port, with user and password where the node has them.
func (n *Node) URL() string {
	if n.rpc.cookie != "" {
		return "http://" + n.door.address
	}
	return fmt.Sprintf("http://%s:%s@%s", n.rpc.user, n.rpc.password, n.door.address)
}

// Cookie is the path of the cookie file, empty where URL has the password.
func (n *Node) Cookie() string { return n.rpc.cookie }

// ZMQ is where the node publishes the hashes of new blocks; empty where it can't.
func (n *Node) ZMQ() string { return n.zmq }

// Call calls any RPC method; the node's own refusal is an *RPCError.
func (n *Node) Call(ctx context.Context, result any, method string, params ...any) error {
	return n.rpc.call(ctx, result, method, params...)
}

// Mine mines count blocks out of the mempool on the best chain.
func (n *Node) Mine(count int) []chainhash.Hash {
	n.t.Helper()
	texts, err := n.backend.generate(n.t.Context(), n, count)
	if err != nil || len(texts) != count {
		n.t.Fatalf("mine %d blocks: %d came, %v", count, len(texts), err)
	}
	hashes := make([]chainhash.Hash, count)
	for i, text := range texts {
		hashes[i] = n.parseHash(text)
	}
	return hashes
}

// MineTo mines until the best chain has this height.
func (n *Node) MineTo(height int) {
	n.t.Helper()
	if missing := height - n.Height(); missing > 0 {
		n.Mine(missing)
	}
}

// Invalidate makes the node forget a block and all above it.
func (n *Node) Invalidate(block chainhash.Hash) { n.must(nil, "invalidateblock", block.String()) }

// Reconsider undoes Invalidate.
func (n *Node) Reconsider(block chainhash.Hash) { n.must(nil, "reconsiderblock", block.String()) }

// Height is the height of the best block.
func (n *Node) Height() (height int) {
	n.t.Helper()
	n.must(&height, "getblockcount")
	return height
}

// BlockHash is the hash of a block of the best chain.
func (n *Node) BlockHash(height int) chainhash.Hash {
	n.t.Helper()
	var text string
	n.must(&text, "getblockhash", height)
	return n.parseHash(text)
}

// Block is a whole block of the best chain.
func (n *Node) Block(height int) *wire.MsgBlock {
	n.t.Helper()
	block := new(wire.MsgBlock)
	if err := block.Deserialize(hexReader(n.blockHex(height))); err != nil {
		n.t.Fatalf("block %d: %v", height, err)
	}
	return block
}

func (n *Node) blockHex(height int) (text string) {
	n.t.Helper()
	n.must(&text, "getblock", n.BlockHash(height).String(), 0)
	return text
}

// Send hands a transaction to the mempool.
func (n *Node) Send(tx *wire.MsgTx) error {
	return n.rpc.call(n.t.Context(), nil, "sendrawtransaction", TxHex(tx))
}

// MustSend is Send for a transaction that the node must take.
func (n *Node) MustSend(tx *wire.MsgTx) {
	n.t.Helper()
	if err := n.Send(tx); err != nil {
		n.t.Fatalf("send %v: %v", tx.TxHash(), err)
	}
}

// InMempool tells whether the mempool holds a transaction.
func (n *Node) InMempool(txid chainhash.Hash) bool {
	n.t.Helper()
	var ids []string
	n.must(&ids, "getrawmempool")
	for _, id := range ids {
		if id == txid.String() {
			return true
		}
	}
	return false
}

// MempoolSize is how many transactions the mempool holds: cheap to ask for, also
// where they are thousands.
func (n *Node) MempoolSize() int {
	n.t.Helper()
	var pool struct{ Size int }
	n.must(&pool, "getmempoolinfo")
	return pool.Size
}

// ConfirmedAt is the height of the best chain's block that holds a
// transaction, 0 where none does. It looks through the last depth blocks.
func (n *Node) ConfirmedAt(txid chainhash.Hash, depth int) int {
	n.t.Helper()
	tip := n.Height()
	for height := tip; height > max(0, tip-depth); height-- {
		for _, tx := range n.Block(height).Transactions {
			if tx.TxHash() == txid {
				return height
			}
		}
	}
	return 0
}

func (n *Node) must(result any, method string, params ...any) {
	n.t.Helper()
	if err := n.rpc.call(n.t.Context(), result, method, params...); err != nil {
		n.t.Fatalf("%s %v: %v", method, params, err)
	}
}

func (n *Node) parseHash(text string) chainhash.Hash {
	n.t.Helper()
	hash, err := chainhash.NewHashFromStr(text)
	if err != nil {
		n.t.Fatalf("%q is no hash: %v", text, err)
	}
	return *hash
}
