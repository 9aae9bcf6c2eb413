package tests

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// inStandIn is a scene with the plugin in the stand-in, over btcd: for what
// only a node that is told what to do can show.
func inStandIn(t *testing.T, options harness.Options) (*scene, *harness.StandIn) {
	t.Helper()
	t.Parallel()
	variant := harness.Variants()[0]
	s := newScene(t, variant, options)
	standIn, ok := harness.AsStandIn(s.tower)
	if !ok {
		t.Fatalf("%s is not in the stand-in", variant.Name)
	}
	return s, standIn
}

// TestManifestNames: what lightningd sees of the plugin collides with nothing.
func TestManifestNames(t *testing.T) {
	_, node := inStandIn(t, nil)
	var manifest struct {
		Options []struct{ Name string }
		Methods []struct{ Name, Usage, Description string } `json:"rpcmethods"`
		Wants   []string                                    `json:"subscriptions"`
		Dynamic bool
	}
	if err := json.Unmarshal(node.Manifest(), &manifest); err != nil {
		t.Fatal(err)
	}
	protocol := []string{"register", "add_appointment", "get_appointment", "delete_appointment", "get_subscription_info"}
	for _, method := range manifest.Methods {
		if !slices.Contains(protocol, method.Name) && !strings.HasPrefix(method.Name, "vigil-") {
			t.Errorf("method %q has no prefix", method.Name)
		}
		if method.Description == "" {
			t.Errorf("method %q is not described", method.Name)
		}
	}
	for _, option := range manifest.Options {
		if !strings.HasPrefix(option.Name, "vigil-") {
			t.Errorf("option %q has no prefix", option.Name)
		}
	}
	if !manifest.Dynamic || !slices.Contains(manifest.Wants, "shutdown") || !slices.Contains(manifest.Wants, "block_added") {
		t.Errorf("the manifest: %s", node.Manifest())
	}
}

// TestMisconfigurationDisables: the reason names the option; the node lives,
// and a correct start later serves.
func TestMisconfigurationDisables(t *testing.T) {
	s, node := inStandIn(t, nil)
	s.tower.Stop()
	for option, value := range map[string]any{
		"vigil-codes": "v3", "vigil-api-bind": "nowhere", "vigil-subscription-slots": -1,
		"vigil-bitcoind": "ftp://x", "vigil-bitcoind-zmq": "foo", "vigil-log-level": "loud",
	} {
		if reason := node.TryPlugin(map[string]any{option: value}); !strings.Contains(reason, option) {
			s.Errorf("%s=%v: disabled with %q", option, value, reason)
		}
	}
	s.tower.Start()
	s.user(teos.V2)
}

// TestPluginEndsWithItsNode: at the end of stdin and at SIGTERM as well as at
// shutdown, in time, and starts again after.
func TestPluginEndsWithItsNode(t *testing.T) {
	s, node := inStandIn(t, nil)
	b := s.watched(s.user(teos.V2))
	node.CloseStdin()
	s.tower.Start()
	node.SignalPlugin(syscall.SIGTERM)
	s.tower.Start()
	s.get(b.user, b.appointment)
}

// TestPositionalParameters: as lightning-cli sends them.
func TestPositionalParameters(t *testing.T) {
	s, node := inStandIn(t, nil)
	user := harness.NewUser(s, teos.V2, harness.RPCDoor{Lightningd: node})
	if err := node.Call(s.Context(), "register", []any{user.ID.String()}, nil); err != nil {
		s.Fatal(err)
	}
	b := s.prepared(user)
	body := user.SignedAppointment(b.appointment)
	if err := node.Call(s.Context(), "add_appointment", []any{body["appointment"], body["signature"]}, nil); err != nil {
		s.Fatal(err)
	}
	get := user.GetRequest(b.appointment.Locator)
	if err := node.Call(s.Context(), "get_appointment", []any{get["locator"], get["signature"]}, nil); err != nil {
		s.Fatal(err)
	}
	for _, wrong := range []any{[]any{1, 2, 3}, map[string]any{"bogus": 1}, []any{}, []any{nil}, []any{map[string]any{"a": 1}}} {
		var refused *harness.RPCError
		if err := node.Call(s.Context(), "register", wrong, nil); !errors.As(err, &refused) {
			s.Errorf("register %v: %v", wrong, err)
		}
	}
}

// TestUnannouncedBlockIsFound: block_added is a hint only.
func TestUnannouncedBlockIsFound(t *testing.T) {
	s, node := inStandIn(t, nil)
	b := s.watched(s.user(teos.V2))
	s.settle()
	node.WithholdBlocks(true)
	s.cheat(b)
	s.answered(b)
}

// TestNodeDropsConnections: lightning-rpc goes away and comes back.
func TestNodeDropsConnections(t *testing.T) {
	s, node := inStandIn(t, nil)
	for range 5 {
		b := s.watched(s.user(teos.V2))
		node.DropConnections()
		s.cheat(b)
		node.DropConnections()
		s.answered(b)
	}
}

// TestBusyPort: the plugin loads although its port is taken, tells the
// operator, and serves by RPC meanwhile; a second plugin harms nobody.
func TestBusyPort(t *testing.T) {
	s, _ := inStandIn(t, nil)
	address := strings.TrimPrefix(string(s.tower.HTTP()), "http://")
	second := harness.StartLightningd(s, s.node, harness.Vigil(s), map[string]any{"vigil-api-bind": address, "vigil-admin-bind": "off"})
	user := harness.NewUser(s, teos.V2, harness.RPCDoor{Lightningd: second})
	harness.Until(s, "the second tower to serve by RPC", func() bool {
		_, err := user.Register(s.Context())
		return err == nil
	})
	var info harness.Info
	var err error
	harness.Until(s, "the second tower to say why", func() bool {
		info, err = harness.TowerInfo(s.Context(), second)
		return err != nil || strings.Contains(strings.Join(info.Warnings, "\n"), "in use")
	})
	if err != nil || len(info.API) != 0 || !info.Guarding || len(info.Warnings) != 1 || info.WarningKinds[0] != "api" ||
		!strings.Contains(info.Warnings[0], "free "+address+" or choose another address (vigil-api-bind)") ||
		!strings.Contains(info.Warnings[0], "address already in use") {
		s.Fatalf("with its port taken: %+v, %v", info, err)
	}
	if e := info.Entrances; len(e) != 1 || e[0].Open || e[0].Address != address || !strings.Contains(e[0].Closed, "address already in use") {
		s.Errorf("its entrances: %+v", e)
	}
	var test selfTest
	s.callNode(second, "vigil-selftest", nil, &test)
	for _, stage := range test.Stages {
		if stage.OK == (stage.Stage == "api") || test.OK {
			s.Errorf("with its port taken, the self-test says ok %v and %+v", test.OK, stage)
		}
	}
	if !s.tower.HTTP().Ping(s.Context()) {
		s.Fatal("the first tower's API is gone")
	}
}

// TestTowerThatCannotStart: without its data directory the plugin stays
// loaded, says what is wrong, and answers that it is not there now.
func TestTowerThatCannotStart(t *testing.T) {
	s, node := inStandIn(t, nil)
	s.tower.Stop()
	for _, dialect := range dialects {
		options := map[string]any{"vigil-data-dir": "/dev/null/vigil", "vigil-codes": dialect.String()}
		earlier := len(node.Log())
		if reason := node.TryPlugin(options); reason != "" {
			s.Fatalf("disabled: %s", reason)
		}
		user := harness.NewUser(s, dialect, harness.RPCDoor{Lightningd: node})
		_, err := user.Register(s.Context())
		s.wantCode(err, codes{-96, 32}, dialect)
		harness.Until(s, "the log to name the directory", func() bool { return harness.LoggedAfter(node, earlier, "/dev/null") })
		node.StopPlugin()
	}
	s.tower.Start()
}
