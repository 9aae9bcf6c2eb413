package hostile

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// doorMemory bounds what the tower may need under any attack at its HTTP
// door, in MiB: about 30 are what it has at rest, and 512 bodies that arrive at
// once have 70, twice that before they are collected.
const doorMemory = 300

// underAttack is a tower that is attacked at its HTTP door.
type underAttack struct {
	*testing.T
	node  *harness.Node
	door  harness.HTTPDoor
	pid   int
	rich  *harness.Client // has many appointments, and a large one
	large teos.Appointment
}

// newUnderAttack starts the plugin as it is released: the race detector would
// need more memory and time than the attacks do, and finds nothing in them that
// it doesn't find in towerapi's own tests.
func newUnderAttack(t *testing.T) *underAttack {
	t.Helper()
	node := harness.StartNode(t, inStandIn.Backend)
	node.MineTo(firstHeight)
	binary, address := released(t), harness.FreeAddress(t)
	standIn := harness.StartLightningd(t, node, binary, map[string]any{"vigil-api-bind": address})
	u := &underAttack{T: t, node: node, door: harness.HTTPDoor("http://" + address)}
	harness.Until(t, "the tower to answer a ping", func() bool { return u.door.Ping(t.Context()) })
	u.pid = onlyProcess(t, standIn.PluginDir(), binary)
	u.enrich()
	return u
}

// released builds the plugin without the race detector.
func released(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(harness.Dir(t), "vigil")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "vigil/plugin").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, text)
	}
	return binary
}

func (u *underAttack) address() string { return strings.TrimPrefix(string(u.door), "http://") }

func (u *underAttack) user(home string, dialect teos.Dialect) *harness.Client {
	u.Helper()
	user := harness.NewUser(u, dialect, doorFrom(home, u.door))
	if _, err := user.Register(u.Context()); err != nil {
		u.Fatalf("register: %v", err)
	}
	return user
}

// enrich makes a user for whom the tower has long answers.
func (u *underAttack) enrich() {
	u.Helper()
	u.rich = u.user(honestHome, teos.V2)
	u.large = teos.Appointment{Locator: teos.Locator{0xff}, ToSelfDelay: 20, EncryptedBlob: make([]byte, 65536)}
	if _, err := u.rich.Add(u.Context(), u.large); err != nil {
		u.Fatal(err)
	}
	const adders, each = 16, 200
	var all sync.WaitGroup
	for i := range adders {
		all.Go(func() {
			for j := range each {
				a := teos.Appointment{Locator: teos.Locator{1, byte(i), byte(j)}, ToSelfDelay: 20,
					EncryptedBlob: make([]byte, teos.MinBlobSize)}
				if _, err := u.rich.Add(u.Context(), a); err != nil {
					u.Errorf("add_appointment: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
}

// honestly lets honest users register, hand in, and be defended, from an
// address of their own and from that of the attackers.
func (u *underAttack) honestly(t *testing.T) {
	t.Helper()
	var breaches []breach
	var tries int64
	start := time.Now()
	for _, home := range []string{honestHome, attackersHome} {
		user := u.user(home, teos.V2)
		for range 2 {
			b := prepared(u.node, user)
			if _, err := user.Add(t.Context(), b.appointment); err != nil {
				t.Fatalf("add_appointment from %s: %v", home, err)
			}
			breaches = append(breaches, b)
		}
		tries += user.Door().(homeDoor).tries.Load()
	}
	added := time.Since(start)
	u.node.MineBlock(breaches[0].dispute, breaches[3].dispute)
	breaches[0].answered(t, u.node)
	breaches[3].answered(t, u.node)
	t.Logf("honest users: 6 requests in %d tries and %v, two breaches answered after %v",
		tries, added.Round(time.Millisecond), (time.Since(start) - added).Round(time.Millisecond))
}

// TestAttacksOnTheDoor: one tower stands all of them, one after the other.
func TestAttacksOnTheDoor(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN in a short run: it takes minutes on a busy machine")
	}
	u := newUnderAttack(t)
	t.Logf("at rest: %v", memoryOf(t, u.pid))
	for _, attack := range attacks(u) {
		t.Run(attack.name, func(t *testing.T) {
			forgetPeak(u.pid)
			u.T = t
			field := attack.start(t, u.address())
			harness.Until(t, "the attack to be on", func() bool { return field.count.Load() >= attack.on })
			u.honestly(t)
			t.Logf("%d %s", field.count.Load(), attack.what)
			field.end()
			wantMemory(t, u.pid, doorMemory, 1)
		})
	}
	u.T = t
	u.honestly(t)
	t.Logf("after all of them: %v", memoryOf(t, u.pid))
}

// jsonOf encodes what isn't encoded yet.
func jsonOf(body any) (string, error) {
	if raw, ok := body.([]byte); ok {
		return string(raw), nil
	}
	encoded, err := json.Marshal(body)
	return string(encoded), err
}

// mustJSON encodes a request that is known to encode.
func mustJSON(body any) string {
	encoded, err := jsonOf(body)
	if err != nil {
		panic(err)
	}
	return encoded
}

// battlefield is an attack that goes on.
type battlefield struct {
	count interface{ Load() int64 }
	end   func()
}

func (a attack) start(t *testing.T, address string) battlefield {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	e := &enemy{address: address}
	var all sync.WaitGroup
	for i := range a.soldiers {
		all.Go(func() {
			every(ctx, a.pause, func() bool {
				if conn := e.dial(ctx); conn != nil {
					a.fight(ctx, conn, i)
					conn.end()
				}
				return true
			})
		})
	}
	end := sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(end)
	return battlefield{&e.count, end}
}
