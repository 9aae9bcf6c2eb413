package towerapi

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
)

// crowded is a server with so many places, which nobody keeps for long.
func crowded(t *testing.T, core Tower, places int) *running {
	t.Helper()
	tm := quick()
	tm.stay = 20 * time.Millisecond
	tm.header, tm.idle = 2*patience, 2*patience // nobody leaves by himself
	return start(t, core, Config{MaxConnections: places}, tm)
}

// served demands that a new client of this address is served.
func (r *running) served(address string) wire {
	r.t.Helper()
	w := r.dialFrom(address)
	w.ask("/register", newUser(r.t, teos.V2).register())
	w.answered().is(r.t, http.StatusOK, 0)
	return w
}

// ended demands that the server has closed the connection without a word.
func (w wire) ended() {
	w.t.Helper()
	if rest, err := io.ReadAll(w); err != nil || len(rest) != 0 {
		w.t.Fatalf("%q, %v", rest, err)
	}
}

// await waits until so many connections are in.
func (r *running) await(places int) {
	r.t.Helper()
	r.until("the connections to be in", func() bool { return len(r.slots) == places })
}

// Who takes all places loses them one by one to others, the oldest first.
func TestNewcomersGetThePlaceOfTheBusiest(t *testing.T) {
	s := crowded(t, &fakeTower{}, 4)
	honest := s.served("127.0.0.3")
	var greedy []wire
	for i := range 3 {
		greedy = append(greedy, s.dialFrom("127.0.0.2"))
		s.await(2 + i)
	}
	for i := range 2 {
		s.served("127.0.0.4")
		greedy[i].ended()
	}
	honest.ask("/register", newUser(t, teos.V2).register())
	honest.answered().is(t, http.StatusOK, 0)
}

// Connections that do nothing, of one address, however many, keep nobody out:
// not even the other clients of that address.
func TestNewcomersOfTheSameAddress(t *testing.T) {
	s := crowded(t, &fakeTower{}, 8)
	for range 10 {
		for range 30 {
			s.dial()
		}
		s.served("127.0.0.1")
	}
}

// Whoever began a request is answered when it has to leave.
func TestSentAwayIsAnswered(t *testing.T) {
	const head = "POST /add_appointment HTTP/1.1\r\nHost: x\r\n"
	for name, part := range map[string]string{
		"head": head, "body": head + "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			s := crowded(t, &fakeTower{}, 1)
			slow := s.dial()
			slow.t = t
			slow.write("%s", part)
			s.until("it to be read", func() bool { return s.anyOwed() })
			s.served("127.0.0.3")
			slow.reply().is(t, http.StatusServiceUnavailable, 7)
		})
	}
}

func (r *running) anyOwed() bool {
	return slices.ContainsFunc(r.members(), func(c *conn) bool { return c.owed.Load() })
}

func (r *running) members() []*conn {
	r.crowd.mu.Lock()
	defer r.crowd.mu.Unlock()
	return slices.Collect(maps.Keys(r.crowd.members))
}

// Who was sent away and only has to read its answer takes no place. Both are
// being served meanwhile: net/http closes one that waits and is sent away.
func TestPlaceIsGivenBackBeforeTheEnd(t *testing.T) {
	g := newGate()
	core := &fakeTower{info: func(ctx context.Context) (tower.Subscription, error) {
		return tower.Subscription{}, g.pass(ctx)
	}}
	s := start(t, core, Config{}, quick())
	u := newUser(t, teos.V2)
	for range 2 {
		s.dial().ask("/get_subscription_info", u.info())
		receive(t, g.entered)
	}
	s.crowd.makeRoom(1, time.Now().Add(s.crowd.stay))
	for _, c := range s.members() {
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.slots) != 1 || len(s.members()) != 1 {
		t.Fatalf("%d places are taken by %d", len(s.slots), len(s.members()))
	}
	close(g.open)
}

// A request that came whole is answered, and then its connection ends.
func TestServedConnectionsLeaveWithTheirAnswer(t *testing.T) {
	g := newGate()
	core := &fakeTower{add: func(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
		return tower.Acceptance{Locator: r.Appointment().Locator}, g.pass(ctx)
	}}
	s := crowded(t, core, 2)
	u := newUser(t, teos.V2)
	busy := []wire{s.dial(), s.dial()}
	for i, w := range busy {
		w.ask("/add_appointment", u.add(appointment(byte(i))))
		receive(t, g.entered)
	}
	newcomer := s.dialFrom("127.0.0.3")
	newcomer.ask("/register", u.register())
	s.until("the first to have been told to leave", func() bool {
		return slices.ContainsFunc(s.members(), (*conn).isLeaving)
	})
	close(g.open)
	for _, w := range busy {
		w.answered().is(t, http.StatusOK, 0)
	}
	newcomer.answered().is(t, http.StatusOK, 0)
}

// large is a core whose answers don't fit into any buffer of the system's.
func large() *fakeTower {
	return &fakeTower{info: func(context.Context) (tower.Subscription, error) {
		return tower.Subscription{Locators: make([]teos.Locator, 100_000)}, nil
	}}
}

// hesitant asks for what it does not read.
func (r *running) hesitant(u user) wire {
	r.t.Helper()
	w := r.dial()
	_ = w.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	w.ask("/get_subscription_info", u.info())
	return w
}

// Who doesn't read an answer keeps no place.
func TestClientsThatDoNotReadMakeRoom(t *testing.T) {
	s := crowded(t, large(), 2)
	u := newUser(t, teos.V2)
	s.hesitant(u)
	s.hesitant(u)
	s.until("both to be answered", func() bool { return len(s.endpoints["/get_subscription_info"].large) == 2 })
	s.served("127.0.0.3")
	s.served("127.0.0.4")
}

// Answers that nobody reads are few, and hold up nothing else.
func TestAnswersThatNobodyReadsAreFew(t *testing.T) {
	tm := quick()
	tm.queue = 20 * time.Millisecond
	s := start(t, large(), Config{MaxRequests: 16}, tm)
	u := newUser(t, teos.V2)
	slow := []wire{s.hesitant(u), s.hesitant(u)}
	s.until("both to be answered", func() bool {
		return len(s.endpoints["/get_subscription_info"].turns) == 0 &&
			len(s.endpoints["/get_subscription_info"].large) == 2
	})
	s.post("/get_subscription_info", u.info()).is(t, http.StatusTooManyRequests, 32)
	s.post("/register", u.register()).is(t, http.StatusOK, 0)
	s.post("/get_appointment", u.get(appointment(1).Locator)).is(t, http.StatusOK, 0)

	slow[0].Close()
	s.until("a turn to be given back", func() bool {
		return s.post("/get_subscription_info", u.info()).status == http.StatusOK
	})
}

func TestWhoLeaves(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		crowd string // address, age in stays and phase of each
		want  string
	}{
		"nobody":                {"", ""},
		"the oldest":            {"a2w a4w a3w", "a4w"},
		"of the busiest":        {"b9w a2w a3w", "a3w"},
		"a newcomer stays":      {"a0w b0w", ""},
		"who is served is last": {"a9s a9s a1w", "a1w"},
		"but goes":              {"a8s a9s b2w", "a9s"},
		"the busiest's are new": {"b9w a0w a0w", ""},
		"others of the core's":  {"a9s a9s a2w b3w", "a2w"},
		"a slow reader":         {"a2w a5a", "a5a"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCrowd(time.Second)
			names := map[*conn]string{}
			for one := range strings.FieldsSeq(c.crowd) {
				since := now.Add(-time.Duration(one[1]-'0') * time.Second)
				member := &conn{crowd: w, accepted: since, since: since, phase: map[byte]phase{'w': waiting, 's': serving, 'a': answering}[one[2]],
					home: homeOf(netip.AddrFrom4([4]byte{one[0]}))}
				w.enter(member)
				names[member] = one
			}
			if got := names[w.oldest(w.busiest(), now)]; got != c.want {
				t.Fatalf("%q instead of %q", got, c.want)
			}
		})
	}
}

// Who asks whether to send too large a body is told not to.
func TestHugeBodyIsNotAskedFor(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	for _, length := range []string{"13000", "9000000000000000000"} {
		w := s.dial()
		w.write("POST /add_appointment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
			"Expect: 100-continue\r\nContent-Length: %s\r\n\r\n", length)
		w.answered().is(t, http.StatusRequestEntityTooLarge, 34)
	}
}
