package harness

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
)

// With is the same kind of node with more arguments.
func (b Backend) With(args ...string) Backend {
	plain := b.args
	b.args = func(n *Node) []string { return append(plain(n), args...) }
	return b
}

// BitcoindKnows tells whether this machine's bitcoind has an option: there are
// several of its kind.
func BitcoindKnows(option string) bool {
	backend, err := Bitcoind()
	if err != nil {
		return false
	}
	program, err := backend.program()
	if err != nil {
		return false
	}
	help, err := exec.Command(program, "-help-debug").Output()
	return err == nil && strings.Contains(string(help), "\n  "+option)
}

// Restart stops the node and starts it as a backend of the same kind, on the
// chain it had, with an empty mempool.
func (n *Node) Restart(as Backend) {
	n.t.Helper()
	n.Stop()
	n.backend = as
	n.Start()
}

// StartForeign starts a node of the same kind on a chain of its own; it takes
// the credentials of like. Chain is "regtest" or "signet"; of the latter the
// node has the genesis block only.
func StartForeign(t T, like *Node, chain string) *Node {
	t.Helper()
	user, password, err := like.rpc.credentials()
	if err != nil {
		t.Fatalf("the node's credentials: %v", err)
	}
	n := &Node{t: t, backend: like.backend, dir: Dir(t), rpc: newNodeRPC(FreeAddress(t)),
		made: map[chainhash.Hash]made{}, door: &door{address: FreeAddress(t)}}
	n.rpc.user, n.rpc.password = user, password
	n.Wallet, n.miningAddress = newWallet(t, n)
	n.zmq = "tcp://" + FreeAddress(t)
	n.backend.args = func(*Node) []string { return foreignArgs(n, chain) }
	showOnFailure(t, n.Name()+" on "+chain, n.logPath())
	t.Cleanup(n.end)
	n.Start()
	return n
}

func foreignArgs(n *Node, chain string) []string {
	if n.Name() == "btcd" {
		args := btcdArgs(n)
		if chain != "regtest" {
			args = slices.DeleteFunc(args, func(a string) bool { return a == "--miningaddr="+n.miningAddress })
		}
		return append([]string{"--" + chain}, args[1:]...)
	}
	args := append([]string{"-" + chain}, bitcoindArgs(n)[1:]...)
	return append(args, "-rpcuser="+n.rpc.user, "-rpcpassword="+n.rpc.password, "-connect=0", "-dnsseed=0")
}

// ServeAs lets everybody who asks this node meet another one instead, until
// ServeItself: the address is the same, the chain is not.
func (n *Node) ServeAs(other *Node) {
	n.t.Helper()
	n.door.shut()
	if err := n.door.open(other.rpc.address); err != nil {
		n.t.Fatalf("open the node's door: %v", err)
	}
}

// ServeItself undoes ServeAs.
func (n *Node) ServeItself() { n.t.Helper(); n.ServeAs(n) }

// warmingUp is what bitcoind answers until it has loaded its chain.
const warmingUp = `{"result":null,"error":{"code":-28,"message":"Loading block index…"},"id":"vigil"}`

// WarmUp lets the node answer as a bitcoind that is not ready yet, as long as
// until the returned function is called: a real one is so for too short.
func (n *Node) WarmUp() (ready func()) { n.t.Helper(); return n.AnswerAll(warmingUp) }

// AnswerAll lets something else stand at the node's door and give every question the
// same answer, until the returned function is called.
func (n *Node) AnswerAll(text string) (end func()) {
	n.t.Helper()
	n.door.shut()
	listener, err := net.Listen("tcp", n.door.address)
	if err != nil {
		n.t.Fatalf("open the node's door: %v", err)
	}
	server := &http.Server{ReadHeaderTimeout: Patience, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprint(w, text)
		})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // until Close
	}()
	return func() {
		n.t.Helper()
		_ = server.Close()
		<-ended
		n.ServeItself()
	}
}

// SetTime moves the clock of a bitcoind.
func (n *Node) SetTime(now time.Time) { n.t.Helper(); n.must(nil, "setmocktime", now.Unix()) }
