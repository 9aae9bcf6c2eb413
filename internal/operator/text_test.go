package operator

import (
	"strings"
	"testing"
	"time"
)

var longID1, longID2 = strings.Repeat("02ab", 16) + "cd", strings.Repeat("03ef", 16) + "01"

// pages are answers and what a person sees of them.
var pages = []struct {
	name     string
	width    int
	document string
	want     string
}{
	{"one object", 60, `{"tower_id": "` + longID1 + `", "guarding": true, "api": ["127.0.0.1:9814", "[::1]:9814"],
		"height": 101, "stored_bytes": 1234567, "small_bytes": 12, "uptime_seconds": 93784, "took_ms": 3, "blind": [],
		"since": "2026-11-20T08:00:00Z", "left": null, "reason": "", "extra": {},
		"warnings": ["the tower is 5 blocks behind the chain and catching up", "two"]}`, `
tower_id        ` + longID1 + `
guarding        yes
api             127.0.0.1:9814
                [::1]:9814
height          101
stored_bytes    1.2 MB
small_bytes     12 bytes
uptime_seconds  1 d 2 h
took_ms         3 ms
blind           none
since           2026-11-20 08:00:00 UTC, 4 d 4 h ago
left            -
reason          -
extra           none
warnings        the tower is 5 blocks behind the chain and
                catching up
                two
`},
	{"a list becomes a table", 120, `{"height": 7, "users": [
		{"user_id": "` + longID1 + `", "slots": 5, "since": "2026-11-20T08:00:30Z"},
		{"user_id": "` + longID2 + `", "slots": 12345, "note": "new", "since": "2026-11-24T08:00:30Z"}], "next": 12}`, `
height  7
users:
  user_id                                                             slots  since             note
  ` + longID1 + `      5  2026-11-20 08:00  -
  ` + longID2 + `  12345  2026-11-24 08:00  new
next    12
`},
	{"a key is never shortened", 80, `{"knocks": [{"user_id": "` + longID1 + `", "address": "203.0.113.7", "times": 3}]}`, `
knocks:
  user_id  ` + longID1 + `
  address  203.0.113.7
  times    3
`},
	{"nor broken, where a column of words can be", 110, `[{"user_id": "` + longID1 + `", "detail": "a commit is durable, and the reserve is held, too"}]`, `
user_id                                                             detail
` + longID1 + `  a commit is durable, and the reserve is
                                                                    held, too
`},
	{"a pipe has no width", 0, `[{"user_id": "` + longID1 + `", "many": [1, 2], "none": []}]`, `
user_id                                                             many  none
` + longID1 + `  1, 2  -
`},
	{"what does not fit is told one after the other", 30, `{"breaches": [
		{"user_id": "` + longID1 + `", "state": "pending", "reason": "fee too low"}, {"user_id": "` + longID2 + `", "state": "lost", "reason": ""}]}`, `
breaches:
  user_id  ` + longID1 + `
  state    pending
  reason   fee too low

  user_id  ` + longID2 + `
  state    lost
  reason   -
`},
	{"words are broken", 50, `[{"stage": "store", "ok": true, "detail": "a commit is durable, and the reserve is held"}, {"stage": "chain", "ok": false, "detail": "no"}]`, `
stage  ok   detail
store  yes  a commit is durable, and the reserve
            is held
chain  no   no
`},
	{"what holds lists itself, too", 200, `{"breaches": [{"state": "lost", "history": [{"height": 1, "kind": "found"}, {"height": 22, "kind": "lost"}]}]}`, `
breaches:
  state  lost
  history:
    height  kind
         1  found
        22  lost
`},
	{"nothing reaches the terminal but text", 0, `{"reason": "a\u001b[31mb\u202ec\nd"}`, "\nreason  a\ufffd[31mb\ufffdc d\n"},
}

func TestText(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, p := range pages {
		got, err := Method{}.Text([]byte(p.document), p.width, now)
		if want := strings.TrimPrefix(p.want, "\n"); err != nil || got != want {
			t.Errorf("%s: %v\n%s\ninstead of\n%s", p.name, err, got, want)
		}
	}
}

func TestTextOfNoDocument(t *testing.T) {
	for _, document := range []string{"", "{", `{"a":}`, `[1`, "{} {}"} {
		if got, err := (Method{Name: "info"}).Text([]byte(document), 0, time.Time{}); err == nil {
			t.Errorf("%q is shown as %q", document, got)
		}
	}
}

func TestSpansAndSizes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 90 * time.Minute: "1 h 30 min", 49 * time.Hour: "2 d 1 h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[float64]string{0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 999_960: "1.0 MB", 64 << 20: "67.1 MB"} {
		if got := size(n); got != want {
			t.Errorf("%v bytes are %q, want %q", n, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, p := range pages {
		f.Add([]byte(p.document), p.width)
	}
	f.Fuzz(func(t *testing.T, document []byte, width int) {
		text, err := Method{}.Text(document, width, time.Unix(0, 0))
		if err == nil && strings.ContainsAny(text, "\x1b\x07\r") {
			t.Errorf("%q is shown as %q", document, text)
		}
	})
}
