package harness_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"vigil/tests/harness"
)

// fake loads this test program as a plugin.
func fake(t harness.T, node *harness.Node, options map[string]any) *harness.StandIn {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return harness.StartLightningd(t, node, program, options)
}

func TestStandInRoutesCalls(t *testing.T) {
	t.Parallel()
	l := fake(t, harness.StartNode(t, harness.Btcd()), map[string]any{"fake-text": "some"})
	var echo map[string]int
	if err := l.Call(t.Context(), "echo", map[string]int{"a": 1}, &echo); err != nil || echo["a"] != 1 {
		t.Fatalf("echo: %v, %v", echo, err)
	}
	var refused *harness.RPCError
	if err := l.Call(t.Context(), "refuse", nil, nil); !errors.As(err, &refused) ||
		refused.Code != -77 || string(refused.Data) != `{"k":1}` {
		t.Fatalf("refuse: %v", err)
	}
	if err := l.Call(t.Context(), "nothing", nil, nil); !errors.As(err, &refused) || refused.Code != -32601 {
		t.Fatalf("an unknown method: %v", err)
	}
	var init struct {
		Options       map[string]any
		Configuration map[string]any
	}
	if err := l.Call(t.Context(), "options", nil, &init); err != nil ||
		init.Options["fake-text"] != "some" || init.Configuration["network"] != "regtest" {
		t.Fatalf("init had %v, %v", init, err)
	}
	if !harness.Logged(l, "fake is up") {
		t.Fatalf("log: %v", l.Log())
	}
}

func TestStandInStopsKillsAndStarts(t *testing.T) {
	t.Parallel()
	l := fake(t, harness.StartNode(t, harness.Btcd()), nil)
	l.StopPlugin()
	var refused *harness.RPCError
	if err := l.Call(t.Context(), "echo", nil, nil); !errors.As(err, &refused) || refused.Code != -32601 {
		t.Fatalf("a method of a plugin that was stopped: %v", err)
	}
	l.StartPlugin()
	l.KillPlugin()
	l.StartPlugin()
	if err := l.Call(t.Context(), "echo", 1, nil); err != nil {
		t.Fatal(err)
	}
	l.CloseStdin()
}

func TestStandInAnnouncesEveryBranch(t *testing.T) {
	t.Parallel()
	node := harness.StartNode(t, harness.Btcd())
	l := fake(t, node, nil)
	heights := func() (got []int) {
		if err := l.Call(t.Context(), "heights", nil, &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	harness.Until(t, "the announcer to know the genesis", func() bool { node.MineTo(1); return len(heights()) > 0 })
	l.WithholdBlocks(true)
	node.Mine(2)
	l.WithholdBlocks(false)
	harness.Until(t, "blocks that were withheld", func() bool { return slices.Equal(heights(), []int{1, 2, 3}) })
	node.MineBlockOn(node.MineBlockOn(node.MineBlockOn(node.BlockHash(1))))
	want := []int{1, 2, 3, 2, 3, 4}
	harness.Until(t, "the blocks of the longer branch", func() bool { return slices.Equal(heights(), want) })
}

func TestStandInServesTheChain(t *testing.T) {
	t.Parallel()
	node := harness.StartNode(t, harness.Btcd())
	node.Mine(3)
	l := fake(t, node, nil)
	ask := func(method, params string) (answer struct {
		Result map[string]any
		Error  *harness.RPCError
	}) {
		request := json.RawMessage(`{"jsonrpc":"2.0","id":"1","method":"` + method + `","params":` + params + `}`)
		if err := l.Call(t.Context(), "relay", request, &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if got := ask("getchaininfo", "{}"); got.Result["blockcount"] != 3.0 || got.Result["chain"] != "regtest" {
		t.Fatalf("getchaininfo: %v", got)
	}
	if got := ask("getrawblockbyheight", "[3]"); got.Result["blockhash"] != node.BlockHash(3).String() {
		t.Fatalf("getrawblockbyheight: %v", got)
	}
	if got := ask("getrawblockbyheight", `{"height":4}`); got.Error != nil || got.Result["block"] != nil {
		t.Fatalf("getrawblockbyheight above the tip: %v", got)
	}
	if got := ask("sendrawtransaction", `{"tx":"00"}`); got.Error == nil || got.Error.Code != -32602 {
		t.Fatalf("sendrawtransaction without allowhighfees: %v", got)
	}
	if got := ask("sendrawtransaction", `{"tx":"00","allowhighfees":true}`); got.Result["success"] != false ||
		!strings.HasPrefix(got.Result["errmsg"].(string), "error code: -22\n") {
		t.Fatalf("sendrawtransaction: %v", got)
	}
	secret := ask("makesecret", `{"string":"tower"}`).Result["secret"]
	if again := ask("makesecret", `{"string":"tower"}`).Result["secret"]; secret != again || len(secret.(string)) != 64 {
		t.Fatalf("makesecret: %v, then %v", secret, again)
	}
	node.Kill()
	if got := ask("getrawblockbyheight", "[3]"); got.Error != nil || got.Result["blockhash"] != nil {
		t.Fatalf("getrawblockbyheight without a node: %v", got)
	}
	if got := ask("getchaininfo", "{}"); got.Error == nil || got.Error.Code != 500 {
		t.Fatalf("getchaininfo without a node: %v", got)
	}
	node.Start()
	if got := ask("getchaininfo", "{}"); got.Result["blockcount"] != 3.0 {
		t.Fatalf("getchaininfo with the node back: %v", got)
	}
}

func TestStandInFailsOnBrokenProtocol(t *testing.T) {
	t.Parallel()
	node := harness.StartNode(t, harness.Btcd())
	for method, want := range map[string]string{
		"twice":    "a second answer to one call",
		"garbage":  "not JSON on its standard output",
		"badlog":   `unknown log level "io"`,
		"stranger": "an answer to no call",
		"die":      "the plugin ended by itself",
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var calls sync.WaitGroup
			t.Cleanup(calls.Wait) // after the plugin's end, which ends the call
			r := &recorder{T: t}
			l := fake(r, node, nil)
			calls.Go(func() { _ = l.Call(t.Context(), method, map[string]any{}, nil) })
			harness.Until(t, "the stand-in to object", func() bool {
				return slices.ContainsFunc(r.noted(), func(e string) bool { return strings.Contains(e, want) })
			})
		})
	}
}
