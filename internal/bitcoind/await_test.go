package bitcoind

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// waiter is a node that answers waitforblockheight as bitcoind does, with as many
// threads for calls as a test says.
type waiter struct {
	threads chan struct{}
	mu      sync.Mutex
	height  int
	changed chan struct{} // closed at a change of height
}

func newWaiter(t *testing.T, threads int) (*waiter, hints) {
	t.Helper()
	w := &waiter{threads: make(chan struct{}, threads), height: 7, changed: make(chan struct{})}
	return w, start(newClient(t, newNode(t, w.serve)).Await)
}

func (w *waiter) serve(rw http.ResponseWriter, call string) {
	w.threads <- struct{}{}
	defer func() { <-w.threads }()
	if call == "getblockchaininfo" {
		body(http.StatusOK, `{"result":{"chain":"regtest","blocks":7}}`)(rw)
		return
	}
	var height, most int
	if _, err := fmt.Sscanf(call, "waitforblockheight %d %d", &height, &most); err != nil {
		body(http.StatusInternalServerError, err.Error())(rw)
		return
	}
	body(http.StatusOK, fmt.Sprintf(`{"result":{"hash":"00","height":%d}}`, w.wait(height, most)))(rw)
}

func (w *waiter) wait(height, most int) int {
	late := time.After(time.Duration(most) * time.Millisecond)
	for {
		w.mu.Lock()
		now, changed := w.height, w.changed
		w.mu.Unlock()
		if now >= height {
			return now
		}
		select {
		case <-changed:
		case <-late:
			return now
		}
	}
}

func (w *waiter) set(height int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.height = height
	close(w.changed)
	w.changed = make(chan struct{})
}

func TestAwait(t *testing.T) {
	w, h := newWaiter(t, 2)
	within(t, "hint at the connection", h.wakes)
	for _, height := range []int{8, 9, 11} {
		w.set(height)
		within(t, "hint at a block", h.wakes)
	}
	h.stop(t) // it ends while the node waits
	w.set(99) // so that the node can end
	if len(h.wakes) != 0 {
		t.Error("it woke without a block")
	}
}

// A block that comes while it is not known yet whether the node answers others is told of
// before that is known.
func TestAwaitTellsOfABlockBeforeItKnowsTheRoom(t *testing.T) {
	w := &waiter{threads: make(chan struct{}, 3), height: 7, changed: make(chan struct{})}
	silent, asked := make(chan struct{}), make(chan struct{}, 9)
	speak := sync.OnceFunc(func() { close(silent) })
	h := start(newClient(t, newNode(t, func(rw http.ResponseWriter, call string) {
		if call == "getblockchaininfo" {
			asked <- struct{}{}
			<-silent
		}
		w.serve(rw, call)
	})).Await)
	t.Cleanup(speak)
	within(t, "hint at the connection", h.wakes)
	w.set(8)
	within(t, "hint at a block that comes at once", h.wakes)
	within(t, "question beside the call that waits", asked)
	w.set(9)
	within(t, "hint at a block while that is not answered", h.wakes)
	speak()
	h.stop(t)
	w.set(99)
}

// Where one thread answers all calls, none is to wait.
func TestAwaitLeavesTheLastThread(t *testing.T) {
	_, h := newWaiter(t, 1)
	within(t, "hint at the connection", h.wakes)
	if line := within(t, "reason", h.logs); !strings.Contains(line, errNoRoom.Error()) || !strings.Contains(line, "level=INFO") {
		t.Errorf("logged %s", line)
	}
	h.stop(t)
}

// A chain that gets shorter is news, too: what comes next may not be higher.
func TestAwaitAShorterChain(t *testing.T) {
	w, h := newWaiter(t, 2)
	within(t, "hint at the connection", h.wakes)
	w.set(5)
	within(t, "hint at the shorter chain", h.wakes)
	w.set(6)
	within(t, "hint at a block of it", h.wakes)
	h.stop(t)
	w.set(99)
}

func TestAwaitWhereNobodyTells(t *testing.T) {
	for name, tc := range map[string]struct{ answer, want string }{
		"another method":       {`!{"code":-32601,"message":"Method not found"}`, "subscribe to blocks: "},
		"starting":             {`!{"code":-28,"message":"Loading block index"}`, "level=DEBUG"},
		"not for this user":    {`!{"code":-1,"message":"no"}`, "level=INFO msg=\"the Bitcoin node does not tell of new blocks, polling goes on\" error=\"waitforblockheight: error -1: no"},
		"no height":            {`{"hash":"00"}`, "waitforblockheight: unusable answer: no height in it"},
		"something else":       {`[1]`, "unusable answer"},
		"a height that is not": {`{"height":-1}`, "unusable answer"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, answers{"waitforblockheight": tc.answer}.serve)
			h := start(newClient(t, n).Await)
			if line := within(t, "reason", h.logs); !strings.Contains(line, tc.want) || strings.Contains(line, "secret") {
				t.Errorf("logged %s", line)
			}
			h.stop(t)
			if len(h.wakes) != 0 {
				t.Error("it woke")
			}
		})
	}
}
