package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/watchroom"
	"vigil/tests/harness"
)

// browse starts a browser, where this machine has one.
func browse(t *testing.T) *harness.Browser {
	t.Helper()
	if err := harness.HasChromium(); err != nil {
		t.Skipf("NOT RUN here: %v", err)
	}
	return harness.StartBrowser(t)
}

// says is an expression that tells whether an element has a text in it.
func says(id, text string) string {
	return fmt.Sprintf("document.getElementById(%q).textContent.includes(%s)", id, quoted(text))
}

// is is one that tells whether its text is this.
func is(id, text string) string {
	return fmt.Sprintf("document.getElementById(%q).textContent === %s", id, quoted(text))
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// wantClean demands that the browser has complained of nothing but what a test
// expects, and has asked nobody but the tower.
func wantClean(t *testing.T, did harness.Did, address string, expected string) {
	t.Helper()
	for _, c := range did.Complaints {
		if expected == "" || !strings.Contains(c, expected) {
			t.Errorf("the browser complains: %s", c)
		}
	}
	for _, url := range did.URLs {
		if !strings.HasPrefix(url, address+"/") && !strings.HasPrefix(url, "data:") {
			t.Errorf("the page asks for %s", url)
		}
	}
}

// TestThePage follows a tower over a real node through a breach, an outage, what a
// hostile backend says, and its end: by itself, and without being loaded again.
func TestThePage(t *testing.T) {
	t.Parallel()
	b := browse(t)
	s := newScene(t, harness.Variants()[1], nil)
	admin := harness.Admin(s, s.tower)
	see := func(conditions ...string) { t.Helper(); b.Do(harness.Do{Until: strings.Join(conditions, " && ")}) }
	b.Do(harness.Do{Width: 1200, Height: 800, Open: string(admin) + "/"})
	see(is("state", "Guarding"), is("height", fmt.Sprint(s.node.Height())), is("users", "0"), is("network", "regtest"),
		"document.title === 'Guarding · Vigil'", "!document.getElementById('no-events').hidden", "document.getElementById('warnings').hidden",
		is("tower-id", s.info().TowerID), says("behind", "up with the chain"), "!document.getElementById('no-users').hidden")

	user := s.user(teos.V2)
	br := s.watched(user)
	see(is("users", "1"), is("appointments", "1"), says("largest", user.ID.String()[:10]), says("largest", "1 appointment"))
	s.cheat(br)
	s.answered(br)
	see(says("events", "Breach found"), says("events", "Penalty accepted"), says("open-list", "pending"), says("states", "pending1"),
		says("why", "1 breach is being answered now"), "!document.getElementById('warnings').hidden")
	s.confirmed(br)
	see(says("states", "confirmed1"), says("events", "Penalty confirmed"), says("open-list", "1 confirmation"))

	const attack = `<img src=x onerror=alert(1)><script>alert(2)</script>`
	end := s.node.AnswerAll(`{"result":null,"error":{"code":-1,"message":` + quoted(attack) + `},"id":"vigil"}`)
	see(is("state", "Not guarding"), says("why", "the chain can't be followed"), says("warning-list", attack), says("behind", "the chain may be further"),
		"document.getElementById('hero').classList.contains('bad')", "document.querySelectorAll('img').length === 0")
	end()
	see(is("state", "Guarding"))
	wantClean(t, b.Do(harness.Do{}), string(admin), "")

	s.tower.Stop()
	see(is("state", "Can’t reach the tower"), "!document.getElementById('lost').hidden", says("lost", "does not answer this page since"),
		"document.title.startsWith('Can’t reach')", "!document.getElementById('main').hidden")
	wantClean(t, b.Do(harness.Do{}), string(admin), "Failed to load resource")
}

// hostileTower says what may do harm, wherever it may say anything.
type hostileTower struct {
	mu   sync.Mutex
	said map[string]string
}

const attack = `</title></script><script>window.harmed=1</script><img src=//evil.example/x onerror=window.harmed=1>javascript:alert(1)`

func newHostileTower() *hostileTower {
	a := quoted(attack + strings.Repeat("W", 200))
	stamp := `"2026-01-02T03:04:05Z"`
	return &hostileTower{said: map[string]string{
		"info": `{"guarding": false, "not_guarding": ` + a + `, "tower_id": ` + a + `, "network": ` + a + `, "version": ` + a + `, "api": [` + a + `],
			"backends": [` + a + `], "last_block_at": ` + stamp + `, "source_error": ` + a + `, "blind": [{"from": 1, "to": 2}], "access": ` + a + `,
			"since": ` + a + `, "started": ` + a + `, "warnings": [` + a + `, ` + a + `], "cannot": [` + a + `]}`,
		"events": `{"events": [{"id": 1, "at": ` + stamp + `, "kind": ` + a + `, "detail": ` + a + `, "locator": ` + a + `},
			{"id": 2, "at": ` + a + `, "kind": "constructor", "detail": ` + a + `}]}`,
		"breaches": `{"breaches": [{"state": ` + a + `, "locator": ` + a + `, "reason": ` + a + `, "history": []}]}`,
		"users":    `{"users": [{"user_id": ` + a + `, "state": ` + a + `}]}`,
	}}
}

func (h *hostileTower) Ask(_ context.Context, method string, _ []byte) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return []byte(h.said[method]), nil
}

// serveRoom serves a watchroom of a tower until the test ends.
func serveRoom(t *testing.T, tower watchroom.Tower) string {
	t.Helper()
	room := watchroom.New(watchroom.Config{Bind: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}, watchroom.NewMetrics("test"))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { room.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	room.Open(tower)
	harness.Until(t, "the room to listen", func() bool { return room.Addr() != "" })
	return "http://" + room.Addr()
}

// TestThePageTakesNothingForMarkup: all that strangers may have said is text, and
// breaks no layout.
func TestThePageTakesNothingForMarkup(t *testing.T) {
	t.Parallel()
	b := browse(t)
	address := serveRoom(t, newHostileTower())
	for _, width := range []int64{320, 390, 1200} {
		did := b.Do(harness.Do{Width: width, Height: 800, Open: address + "/", Until: is("state", "Not guarding") + " && " + says("open-list", "window.harmed")})
		wantClean(t, did, address, "")
		var harmed bool
		b.Value(`window.harmed !== undefined || document.querySelectorAll("img, body script:not(:last-of-type), iframe").length > 0`, &harmed)
		if harmed {
			t.Error("what the tower said was taken for markup")
		}
		for _, id := range []string{"why", "warning-list", "events", "open-list", "tower-id", "version", "api", "network", "backends", "cannot"} {
			b.Do(harness.Do{Until: says(id, "window.harmed=1")})
		}
		var wide int64
		b.Value("document.documentElement.scrollWidth", &wide)
		if wide > width {
			t.Errorf("at %d pixels the page is %d wide", width, wide)
		}
	}
}

// goodTower is one of which all parts of the page have something to show.
func goodTower() *hostileTower {
	h := newHostileTower()
	for method, text := range h.said {
		text = strings.ReplaceAll(text, quoted(attack+strings.Repeat("W", 200)), `"refused"`)
		h.said[method] = strings.ReplaceAll(text, `"guarding": false`, `"guarding": true`)
	}
	return h
}

// closedTower guards, but nobody can come in.
func closedTower() *hostileTower {
	h := goodTower()
	h.said["info"] = strings.Replace(h.said["info"], "{", `{"entrances": [{"kind": "http", "address": "h:1", "open": false, "closed": "in use"}], `, 1)
	return h
}

// contrast returns the least contrast of text on its ground (WCAG 2.1, 1.4.3), and
// where it is.
const contrast = `(() => {
  const parse = c => c.match(/[\d.]+/g).map(Number);
  const light = c => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c; } return [255, 255, 255]; };
  let least = { Ratio: 100, At: "" };
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least.Ratio) least = { Ratio: ratio, At: e.tagName + "." + e.className + " " + e.textContent.slice(0, 40) };
  }
  return least;
})()`

// TestThePageCanBeRead: by light and in the dark, on a phone, and by a program that
// reads it aloud.
func TestThePageCanBeRead(t *testing.T) {
	t.Parallel()
	b := browse(t)
	addresses := map[string]string{"Guarding": serveRoom(t, goodTower()), "Guarding, but closed": serveRoom(t, closedTower()), "Not guarding": serveRoom(t, newHostileTower())}
	grounds := map[string]bool{}
	for state, address := range addresses {
		for _, dark := range []bool{false, true} {
			b.Do(harness.Do{Width: 390, Height: 844, Dark: dark, Open: address + "/", Until: is("state", state)})
			var least struct {
				Ratio float64
				At    string
			}
			b.Value(contrast, &least)
			if least.Ratio < 4.5 {
				t.Errorf("%s, dark: %v: the contrast of %s is %.2f", state, dark, least.At, least.Ratio)
			}
			var ground string
			b.Value("getComputedStyle(document.body).backgroundColor", &ground)
			grounds[ground] = true
			if state == "Guarding, but closed" {
				b.Do(harness.Do{Until: says("why", "the API does not listen. h:1: in use") + " && document.getElementById('hero').classList.contains('warn')"})
			}
		}
	}
	if len(grounds) != 2 {
		t.Errorf("the page's ground is %v, by light and in the dark", grounds)
	}
	var outline []string
	b.Value(`[...document.querySelectorAll("h1, h2")].filter(e => e.checkVisibility()).map(e => e.tagName)`, &outline)
	if len(outline) < 5 || outline[0] != "H1" || slices.Contains(outline[1:], "H1") {
		t.Errorf("the page's headings are %v", outline)
	}
	var marks []string
	b.Value(`[document.documentElement.lang, document.getElementById("hero").getAttribute("aria-live"), document.getElementById("lost").getAttribute("role"),
		document.querySelectorAll("main, header, footer").length.toString()]`, &marks)
	if want := []string{"en", "polite", "alert", "3"}; !slices.Equal(marks, want) {
		t.Errorf("language, live region, alert and landmarks: %v, want %v", marks, want)
	}
}
