package towerapi

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vigil/internal/teos"
)

// nobody makes the limit for one address hold for this machine's, too.
func nobody(s *Server) { s.peers.exempt = func(netip.Addr) bool { return false } }

// ask sends a request on a connection that stays open.
func (w wire) ask(path, body string) {
	w.t.Helper()
	w.write("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, len(body), body)
}

// answered reads an answer after which the connection stays open.
func (w wire) answered() reply {
	w.t.Helper()
	response, err := http.ReadResponse(newReader(w), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return readReply(w.t, response)
}

func TestConnectionsOfOneAddress(t *testing.T) {
	s := start(t, &fakeTower{}, Config{MaxConnections: 3, MaxConnectionsPerAddress: 2}, quick(), nobody)
	u := newUser(t, teos.V2)
	greedy := []wire{s.dialFrom("127.0.0.2"), s.dialFrom("127.0.0.2")}
	for range 5 {
		over := s.dialFrom("127.0.0.2")
		over.ask("/add_appointment", u.add(appointment(1)))
		over.reply().is(t, http.StatusServiceUnavailable, 7)
	}
	other := s.dialFrom("127.0.0.3")
	other.ask("/register", u.register())
	other.answered().is(t, http.StatusOK, 0)
	greedy[1].ask("/register", u.register())
	greedy[1].answered().is(t, http.StatusOK, 0)

	greedy[0].Close()
	s.until("a place to be free", func() bool {
		again := s.dialFrom("127.0.0.2")
		defer again.Close()
		again.ask("/add_appointment", u.add(appointment(1)))
		return again.answered().status == http.StatusOK
	})
}

// A client may send on after it was answered: a reset would take the answer
// from it.
func TestTurnedAwayMaySendOn(t *testing.T) {
	tm := quick()
	tm.header = patience
	s := start(t, &fakeTower{}, Config{MaxConnectionsPerAddress: 1}, tm, nobody)
	s.dial()
	over := s.dial()
	over.write("POST /add_appointment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
	over.answered().is(t, http.StatusServiceUnavailable, 7)
	for range 10 {
		over.write("%s", strings.Repeat(" ", 100000))
	}
	if rest, err := io.ReadAll(over); err != nil || len(rest) != 0 {
		t.Fatalf("%q, %v", rest, err)
	}
}

// Clients fail over an answer that comes before they have asked.
func TestTurnedAwayIsNotAnsweredBeforeItAsks(t *testing.T) {
	tm := quick()
	tm.header = 300 * time.Millisecond
	s := start(t, &fakeTower{}, Config{MaxConnectionsPerAddress: 1}, tm, nobody)
	s.dial()
	if rest, err := io.ReadAll(s.dial()); err != nil || len(rest) != 0 {
		t.Fatalf("%q, %v", rest, err)
	}
}

// Who is turned away takes nobody's place, however many they are.
func TestTooManyTurnedAway(t *testing.T) {
	s := start(t, &fakeTower{}, Config{MaxConnectionsPerAddress: 1}, quick(), nobody)
	for range maxTurnedAway {
		s.away <- struct{}{}
	}
	s.dial()
	s.dial().reply().is(t, http.StatusServiceUnavailable, 7)
	other := s.dialFrom("127.0.0.3")
	other.ask("/register", newUser(t, teos.V2).register())
	other.answered().is(t, http.StatusOK, 0)
}

func TestWhoseConnectionsAreNotCounted(t *testing.T) {
	s := start(t, &fakeTower{}, Config{
		MaxConnectionsPerAddress: 1,
		TrustedProxies:           []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
	}, quick())
	for range 3 {
		w := s.dial()
		w.ask("/register", newUser(t, teos.V2).register())
		w.answered().is(t, http.StatusOK, 0)
	}
	for address, exempt := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true,
		"10.1.2.3:1": true, "[2001:db8::1]:1": true,
		"192.168.0.1:1": false, "203.0.113.9:1": false, "[2001:db9::1]:1": false, "": false,
	} {
		if got := s.peers.exempt(parseAddr(address)); got != exempt {
			t.Errorf("%s: exempt is %v", address, got)
		}
	}
}

func TestWhatCountsAsOneAddress(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		same          bool
	}{
		"IPv4":               {"203.0.113.9:1", "203.0.113.9:2", true},
		"IPv4, another":      {"203.0.113.9:1", "203.0.113.8:1", false},
		"IPv4 in IPv6":       {"203.0.113.9:1", "[::ffff:203.0.113.9]:1", true},
		"other IPv4 in IPv6": {"[::ffff:203.0.113.8]:1", "[::ffff:203.0.113.9]:1", false},
		"IPv6 /64":           {"[2001:db8::1]:1", "[2001:db8::ffff:ffff:ffff:ffff]:1", true},
		"IPv6, another /64":  {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		"link-local":         {"[fe80::1%eth0]:1", "[fe80::2%eth0]:1", true},
		"none":               {"", "pipe", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeers(1, func(netip.Addr) bool { return false })
			leave, ok := p.enter(parseAddr(c.first))
			if !ok {
				t.Fatal("the first was turned away")
			}
			if _, ok := p.enter(parseAddr(c.second)); ok == c.same {
				t.Fatalf("the second came in: %v", ok)
			}
			leave()
			if _, ok := p.enter(parseAddr(c.first)); !ok {
				t.Fatal("no place after one left")
			}
		})
	}
}

func TestAddressesThatLeftAreForgotten(t *testing.T) {
	p := newPeers(2, func(netip.Addr) bool { return false })
	var leaves []func()
	for i := range byte(100) {
		a := netip.AddrFrom4([4]byte{203, 0, 113, i})
		for range 3 {
			if leave, ok := p.enter(a); ok {
				leaves = append(leaves, leave)
			}
		}
	}
	if len(leaves) != 200 || len(p.open) != 100 {
		t.Fatalf("%d connections of %d addresses", len(leaves), len(p.open))
	}
	for _, leave := range leaves {
		leave()
	}
	if len(p.open) != 0 {
		t.Fatalf("%d addresses are remembered", len(p.open))
	}
}
