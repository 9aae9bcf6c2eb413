package hostile

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// pluginMemory bounds what the plugin may need for whatever lightningd sends,
// in MiB: a message of 4 MiB has some copies of itself on its way.
const pluginMemory = 250

// TestTrafficBeforeInit: whatever comes before init is answered or ignored, and
// the plugin serves afterwards. init comes once.
func TestTrafficBeforeInit(t *testing.T) {
	t.Parallel()
	_, standIn := newStandIn(t)
	d := newDriver(t, standIn)
	d.send("\x00\xff garbage \x1b[0m\n\n}]\n\n\n" + `{"half":` + "\n\n" + `1}` + "\n\n")
	d.send(`{"jsonrpc":"2.0","method":"shutdow","params":{}}` + "\n\n" + `{"jsonrpc":"2.0","method":"block_added","params":{"block_added":{"height":1}}}`)
	methods := []string{"register", "add_appointment", "get_appointment", "get_subscription_info", "vigil-info", "check", "nonsense", ""}
	for i, method := range methods {
		id := fmt.Sprintf("%d", i)
		if a := d.call(id, method, []any{}); !strings.Contains(a, `"error"`) {
			t.Errorf("%q before init: %s", method, a)
		}
	}
	d.serve()
	if a := d.init(`"again"`); !strings.Contains(a, "init came twice") {
		t.Errorf("the second init: %s", a)
	}
	d.alive(`"info"`)
	d.stdin.Close()
	d.gone()
	for i := range methods {
		if n := len(d.of(fmt.Sprint(i))); n != 1 {
			t.Errorf("request %d has %d answers", i, n)
		}
	}
	d.again()
}

// TestHostileTraffic: messages of every kind of wrong, thousands of them; each
// that has an id is answered as often as it was sent.
func TestHostileTraffic(t *testing.T) {
	t.Parallel()
	_, standIn := newStandIn(t)
	d := newDriver(t, standIn)
	d.serve()
	pid := d.cmd.Process.Pid
	forgetPeak(pid)
	want := map[string]int{}
	r := rand.New(rand.NewPCG(8, 9))
	for round := range 40 {
		for i := range 100 { // no more than may be with the tower at once
			id, text := hostile(r, round*100+i)
			if id != "" {
				want[id]++
			}
			d.send(text)
		}
		d.alive(fmt.Sprintf(`"alive %d"`, round))
		want[fmt.Sprintf(`"alive %d"`, round)] = 1
	}
	harness.Until(t, "every answer", func() bool {
		for id, n := range want {
			if len(d.of(id)) != n {
				return false
			}
		}
		return true
	})
	t.Logf("%d messages with an id, all answered; %d log lines", len(want), d.logged)
	wantMemory(t, pid, pluginMemory, memoryFactor)
	d.send(`{"jsonrpc":"2.0","id":1,"method":"vigil-info","par`) // cut off
	d.stdin.Close()
	d.gone()
	for id, n := range want {
		if got := len(d.of(id)); got != n {
			t.Errorf("id %s has %d answers of %d", id, got, n)
		}
	}
}

// hostile makes one message that no lightningd should send, and tells the id
// that has to be answered.
func hostile(r *rand.Rand, n int) (id, text string) {
	id = fmt.Sprintf(`"h#%d"`, n)
	methods := []string{"register", "add_appointment", "get_appointment", "get_subscription_info", "vigil-info", "check", "init", "a\\u0000b", strings.Repeat("m", 5000)}
	method := methods[r.IntN(len(methods))]
	deep := strings.Repeat(`{"a":[`, 20000) + strings.Repeat("]}", 20000)
	params := []string{
		`[]`, `{}`, `null`, `7`, `"x"`, `[null,true,-1e999,""]`, `[[[[[]]]]]`, `{"":{}}`, deep,
		`{"user_id":1,"user_id":2}`, `["` + strings.Repeat("a", 100_000) + `"]`, `{"appointment":` + deep + `,"signature":"x"}`,
		"{\"user_id\":\"\xff\xfe\"}", `{"command_to_check":"register","user_id":[]}`, `["register"]`, `{"a":1`, `[1,]`, `[{"":""}` + "\n\n" + `,"{"]`,
	}[r.IntN(18)]
	switch r.IntN(8) {
	case 0: // an id that can't be repeated
		ids := []string{`{"a":1}`, `[1]`, `tru`, deep}
		return "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`+"\n\n", ids[r.IntN(len(ids))], method, brackets(params))
	case 1: // no id: a notification
		topics := []string{"block_added", "nonsense", "connect", ""}
		return "", fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`+"\n\n", topics[r.IntN(len(topics))], brackets(params))
	case 2: // garbage between messages
		return "", strings.Repeat("\x00)(*&^% 12 \"", r.IntN(50)+1) + "\n"
	case 3: // a number, or null, or text with escapes
		ids := []string{fmt.Sprint(n), fmt.Sprintf("-%d.5e2", n+1), fmt.Sprintf(`"\u00fc\"%d"`, n)}
		id = ids[r.IntN(len(ids))]
	case 4: // the same id again
		id = fmt.Sprintf(`"h#%d"`, n-n%7)
	}
	return id, fmt.Sprintf(`{"id":%s,"params":%s,"method":"%s"}`+"\n\n", id, brackets(params), method)
}

// brackets closes what is open, so that the message ends where it should.
func brackets(params string) string {
	switch params {
	case `{"a":1`:
		return `{"a":1,}`
	default:
		return params
	}
}

// TestHugeRequests: what is over the limit is refused by its id, wherever that
// stands, and costs no more memory than the limit.
func TestHugeRequests(t *testing.T) {
	t.Parallel()
	_, standIn := newStandIn(t)
	d := newDriver(t, standIn)
	d.serve()
	pid := d.cmd.Process.Pid
	forgetPeak(pid)
	const limit = 4 << 20
	for i, size := range []int{limit - 200, limit + 1, 4 * limit} {
		huge := strings.Repeat("x", size)
		texts := map[string]string{
			`"first`: `{"id":"first%d","method":"register","params":["` + huge + `"]}`,
			`"last`:  `{"method":"register","params":{"user_id":"` + huge + `"},"id":"last%d"}`,
			`"deep`:  `{"method":"register","params":` + strings.Repeat("[", size/2) + strings.Repeat("]", size/2) + `,"id":"deep%d"}`,
		}
		for name, text := range texts {
			id := fmt.Sprintf(`%s%d"`, name, i)
			d.send(fmt.Sprintf(text, i) + "\n\n")
			harness.Until(t, "an answer", func() bool { return len(d.of(id)) == 1 })
			if a := d.of(id)[0]; !strings.Contains(a, `"error"`) || len(a) > 1000 {
				t.Errorf("%d bytes: %.500s", size, a)
			}
		}
		d.send(`{"id":"` + huge + `","method":"vigil-info","params":[]}` + "\n\n") // its id can't be repeated, maybe
		d.alive(fmt.Sprintf(`"alive %d"`, i))
	}
	wantMemory(t, pid, pluginMemory, memoryFactor)
	d.stdin.Close()
	d.gone()
}

// TestManyCallsAtOnce: hundreds of calls; each is answered once, and those that
// are too many are told so.
func TestManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	_, standIn := newStandIn(t)
	d := newDriver(t, standIn)
	d.options["vigil-max-subscription"] = 0 // one key registers all the time
	d.serve()
	const calls = 1000
	user := harness.NewUser(t, teos.V2, d)
	var flood strings.Builder
	for i := range calls {
		flood.WriteString(request(fmt.Sprintf(`"many#%d"`, i), "register", map[string]any{"user_id": user.ID.String()}))
	}
	before := d.count()
	d.send(flood.String())
	harness.Until(t, "all answers", func() bool { return d.count() == before+calls })
	served := 0
	for i := range calls {
		a := d.of(fmt.Sprintf(`"many#%d"`, i))
		if len(a) != 1 {
			t.Fatalf("call %d has %d answers", i, len(a))
		}
		switch {
		case strings.Contains(a[0], `"result"`):
			served++
		case !strings.Contains(a[0], "too many calls at once"):
			t.Errorf("call %d: %s", i, a[0])
		}
	}
	t.Logf("%d of %d calls at once were served", served, calls)
	if served == 0 {
		t.Error("none was served")
	}
	d.alive(`"alive"`)
	d.stdin.Close()
	d.gone()
}

// TestNobodyReads: lightningd stops reading in the middle of calls. The plugin
// ends all the same when it is told to, or when lightningd is gone.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	_, standIn := newStandIn(t)
	for name, end := range map[string]func(*driver){
		"SIGTERM":       func(d *driver) { _ = d.cmd.Process.Signal(syscall.SIGTERM) },
		"stdout closed": func(d *driver) { d.stdout.Close() },
		"both closed":   func(d *driver) { d.stdout.Close(); d.stdin.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t, standIn)
			d.serve()
			d.paused.Lock()
			unread := sync.OnceFunc(d.paused.Unlock)
			defer unread()
			var flood strings.Builder
			for i := range 400 {
				flood.WriteString(request(fmt.Sprintf(`"%d%s"`, i, strings.Repeat("i", 3000)), "vigil-info", []any{}))
			}
			for range 20 { // until the plugin reads no more
				if d.try(flood.String(), 2e8) != nil {
					break
				}
			}
			if !d.http().Ping(t.Context()) {
				t.Error("the HTTP door does not answer while lightningd doesn't read")
			}
			end(d)
			if name != "SIGTERM" {
				unread()
			}
			d.goneAnyhow()
		})
	}
	newDriver(t, standIn).serve()
}
