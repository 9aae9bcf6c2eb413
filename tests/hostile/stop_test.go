package hostile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// receipts are the appointments that the tower has taken, by their user.
type receipts struct {
	mu   sync.Mutex
	held map[*harness.Client][]teos.Appointment
	more atomic.Int64
}

// collect hands appointments in until the tower is gone.
func (r *receipts) collect(ctx context.Context, user *harness.Client, number int) {
	for i := 0; ctx.Err() == nil; i++ {
		a := teos.Appointment{Locator: teos.Locator{byte(number), byte(i), byte(i >> 8)}, ToSelfDelay: 20,
			EncryptedBlob: make([]byte, teos.MinBlobSize+i%100)}
		if _, err := user.Add(ctx, a); err != nil {
			return
		}
		r.mu.Lock()
		r.held[user] = append(r.held[user], a)
		r.mu.Unlock()
		r.more.Add(1)
	}
}

// TestStopInTheMiddle: the plugin is ended in each way while appointments come
// by both doors, a block comes and a breach is being answered. It ends in
// time, every receipt holds, and the breach is answered by its next start.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	node, standIn := newStandIn(t)
	for name, end := range map[string]func(*driver){
		"shutdown": func(d *driver) {
			_ = d.try(`{"jsonrpc":"2.0","method":"shutdown","params":{"shutdown":{}}}`+"\n\n", harness.Patience)
		},
		"SIGTERM": func(d *driver) { _ = d.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGKILL": func(d *driver) { _ = d.cmd.Process.Kill() },
		"stdin":   func(d *driver) { _ = d.stdin.Close() },
		"all at once": func(d *driver) {
			_ = d.try(`{"jsonrpc":"2.0","method":"shutdown","params":{}}{"jsonrpc":"2.0","id":"half`, harness.Patience)
			_ = d.stdin.Close()
			_ = d.cmd.Process.Signal(syscall.SIGTERM)
			_ = d.cmd.Process.Signal(syscall.SIGTERM)
		},
	} {
		t.Run(name, func(t *testing.T) { stopInTheMiddle(t, node, standIn, name == "SIGKILL", end) })
	}
}

func stopInTheMiddle(t *testing.T, node *harness.Node, standIn *harness.StandIn, killed bool, end func(*driver)) {
	d := newDriver(t, standIn)
	d.serve()
	r := &receipts{held: map[*harness.Client][]teos.Appointment{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var users sync.WaitGroup
	defer users.Wait()
	start := func(number int, door harness.Door) *harness.Client {
		user := harness.NewUser(t, teos.V2, door)
		if _, err := user.Register(ctx); err != nil {
			t.Fatalf("register: %v", err)
		}
		users.Go(func() { r.collect(ctx, user, number) })
		return user
	}
	for i := range 4 {
		start(2*i, d)
		start(2*i+1, d.http())
	}
	b := prepared(node, start(99, d.http()))
	if _, err := b.user.Add(ctx, b.appointment); err != nil {
		t.Fatal(err)
	}
	users.Go(func() {
		for i := 0; ctx.Err() == nil && d.try(request(fmt.Sprintf(`"info#%d"`, i), "vigil-info", []any{}), harness.Patience) == nil; i++ {
			if !harness.Eventually(ctx, time.Second, func() bool { return len(d.of(fmt.Sprintf(`"info#%d"`, i))) > 0 }) {
				return
			}
		}
	})
	harness.Until(t, "the traffic to be on", func() bool { return r.more.Load() > 50 })
	node.MineBlock(b.dispute)
	_ = d.try(fmt.Sprintf(`{"jsonrpc":"2.0","method":"block_added","params":{"block_added":{"height":%d}}}`, node.Height()), harness.Patience)
	end(d)
	d.goneAnyhow()
	cancel()
	users.Wait()
	if code := d.cmd.ProcessState.ExitCode(); code != 0 && !killed {
		t.Errorf("it ended with status %d", code)
	}
	standIn.StartPlugin()
	r.hold(t, standIn)
	b.user = b.user.At(harness.RPCDoor{Lightningd: standIn})
	b.answered(t, node)
	t.Logf("%d receipts, all hold", r.more.Load())
	standIn.StopPlugin()
}

// hold demands that the tower has all that it gave a receipt for.
func (r *receipts) hold(t *testing.T, node harness.Lightningd) {
	t.Helper()
	for user, list := range r.held {
		var info harness.Subscription
		harness.Until(t, "the tower to answer", func() (ok bool) {
			var err error
			info, err = user.At(harness.RPCDoor{Lightningd: node}).Info(t.Context())
			return err == nil
		})
		for _, a := range list {
			if !slices.Contains(info.Locators, a.Locator.String()) {
				t.Errorf("appointment %v of user %v is lost", a.Locator, user.ID)
			}
		}
	}
}

// TestRealLightningdIsNotHarmed: hostile calls, `plugin stop` in the middle of
// hundreds of calls, and a start at once after it. The node answers all the
// while, and nothing is left behind.
func TestRealLightningdIsNotHarmed(t *testing.T) {
	variant := harness.Variants()[4]
	if variant.Missing != nil {
		t.Skipf("NOT RUN here: %v", variant.Missing)
	}
	t.Parallel()
	node := harness.StartNode(t, variant.Backend)
	node.MineTo(firstHeight)
	tower := harness.StartTower(t, variant, node, nil)
	lightningd := tower.RPC()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	var healthy atomic.Int64
	all.Go(func() {
		every(ctx, 50*time.Millisecond, func() bool {
			if err := lightningd.Call(ctx, "getinfo", nil, nil); err != nil && ctx.Err() == nil {
				t.Errorf("getinfo: %v", err)
			}
			healthy.Add(1)
			return true
		})
	})
	b := prepared(node, harness.NewUser(t, teos.V2, tower.HTTP()))
	_, errRegister := b.user.Register(ctx)
	_, errAdd := b.user.Add(ctx, b.appointment)
	if err := errors.Join(errRegister, errAdd); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		flood := floodRPC(ctx, t, lightningd)
		harness.Until(t, "calls to be answered", func() bool { return flood.answered.Load() > 100 })
		took := tower.Stop()
		flood.end()
		if left := processes(t, lightningd.PluginDir(), harness.Vigil(t)); len(left) != 0 {
			t.Errorf("processes %v are left", left)
		}
		t.Logf("plugin stop: %v; %d calls answered, %d of them refused", took.Round(time.Millisecond), flood.answered.Load(), flood.refused.Load())
		tower.Start()
	}
	node.MineBlock(b.dispute)
	b.answered(t, node)
	t.Logf("getinfo was answered %d times", healthy.Load())
}

type rpcFlood struct {
	answered, refused atomic.Int64
	end               func()
}

// floodRPC calls the tower's methods with what they can't use.
func floodRPC(ctx context.Context, t *testing.T, lightningd harness.Lightningd) *rpcFlood {
	ctx, cancel := context.WithCancel(ctx)
	flood := &rpcFlood{}
	var all sync.WaitGroup
	params := []any{[]any{}, []any{nil}, []any{1, 2, 3}, map[string]any{"user_id": []any{}}, map[string]any{"": nil},
		map[string]any{"appointment": 1, "signature": strings.Repeat("y", 200_000)}, []any{"register"}, map[string]any{"bogus": map[string]any{}}}
	methods := []string{"register", "add_appointment", "get_appointment", "get_subscription_info", "vigil-info", "check"}
	for i := range 100 {
		all.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				var refused *harness.RPCError
				err := lightningd.Call(ctx, methods[(i+j)%len(methods)], params[j%len(params)], nil)
				switch {
				case errors.As(err, &refused):
					flood.refused.Add(1)
				case err != nil && ctx.Err() == nil:
					t.Errorf("a call was not answered: %v", err)
				}
				flood.answered.Add(1)
			}
		})
	}
	flood.end = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(flood.end)
	return flood
}
