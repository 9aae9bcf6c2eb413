package towerapi

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/teos"
)

func TestATokenIsShownByHostOrPath(t *testing.T) {
	token := teos.NewToken()
	s := &Server{}
	for name, c := range map[string]struct {
		host, path, wantPath string
		want                 teos.Token
	}{
		"none":             {"tower.example:9814", "/register", "/register", ""},
		"label":            {string(token) + ".tower.example:9814", "/register", "/register", token},
		"in upper case":    {strings.ToUpper(string(token)) + ".tower.example", "/register", "/register", token},
		"of an onion":      {string(token) + ".abc.onion:9814", "/register", "/register", token},
		"too short":        {string(token[1:]) + ".tower.example", "/register", "/register", ""},
		"no base32":        {"1" + string(token[1:]) + ".tower.example", "/register", "/register", ""},
		"second label":     {"a." + string(token) + ".example", "/register", "/register", ""},
		"path":             {"1.2.3.4", "/i/" + string(token) + "/register", "/register", token},
		"path of another":  {"1.2.3.4", "/i/" + string(token) + "/add_appointment", "/add_appointment", token},
		"path, no token":   {"1.2.3.4", "/i/x/register", "/i/x/register", ""},
		"path without end": {"1.2.3.4", "/i/" + string(token), "/", token},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://h"+c.path, nil)
		r.Host = c.host
		if v, path := s.visit(r); v.token != c.want || path != c.wantPath {
			t.Errorf("%s: token %q, path %q", name, v.token, path)
		}
	}
}

func TestRegistrationsAreSlowedAndThenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(registrationsAtOnce)
		home, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
		start := time.Now()
		for range registrationsAtOnce {
			if !th.pass(t.Context(), home) {
				t.Fatal("one of the first was refused")
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("the first were held up for %v", d)
		}
		if !th.pass(t.Context(), home) || time.Since(start) != time.Second {
			t.Errorf("the next one passed after %v", time.Since(start))
		}
		th.of(home).ReserveN(time.Now(), 2)
		if th.pass(t.Context(), home) {
			t.Error("one that has to wait for 3 s passed")
		}
		if !th.pass(t.Context(), other) || !th.pass(t.Context(), netip.Prefix{}) {
			t.Error("others suffer")
		}
	})
}

func TestWhoFailsTooOftenIsHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{
			failures:      newThrottle(failuresAtOnce),
			registrations: newThrottle(registrationsAtOnce),
		}
		home := s.measured(netip.MustParseAddr("2001:db8::1"))
		for range failuresAtOnce + 1 {
			s.failures.owe(home)
		}
		start := time.Now()
		if !s.mayGoOn(t.Context(), endpoint{}, s.measured(netip.MustParseAddr("2001:db8::2"))) || time.Since(start) != time.Second {
			t.Errorf("the same /64 went on after %v", time.Since(start))
		}
		for range 100 {
			s.failures.owe(home)
		}
		if s.mayGoOn(t.Context(), endpoint{}, home) {
			t.Error("a question went on")
		}
		start = time.Now()
		if !s.mayGoOn(t.Context(), endpoint{patient: true}, home) || time.Since(start) != throttleDelay {
			t.Errorf("an appointment went on after %v", time.Since(start))
		}
		synctest.Wait()
		<-time.After(failuresAtOnce * 2 * time.Second) // in the bubble: it costs nothing
		if owed := s.failures.owes(home); owed != 0 {
			t.Errorf("still owes %v", owed)
		}
	})
}

func TestManyAddressesTakeLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(1)
		fill := func(net byte, n int) {
			for i := range n {
				a := netip.AddrFrom4([4]byte{net, byte(i >> 16), byte(i >> 8), byte(i)})
				th.pass(t.Context(), netip.PrefixFrom(a, 32))
			}
		}
		fill(10, maxThrottled+1)
		if len(th.by) != maxThrottled {
			t.Errorf("%d addresses are told apart", len(th.by))
		}
		<-time.After(10 * time.Second) // in the bubble: it costs nothing
		fill(11, 1)
		if len(th.by) != 1 {
			t.Errorf("%d addresses are told apart after a pause", len(th.by))
		}
	})
}

func TestWhoIsMeasured(t *testing.T) {
	s := &Server{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "2001:db8::1": "2001:db8::/64",
		"127.0.0.1": "", "::1": "", "10.1.1.1": "",
	} {
		got := s.measured(netip.MustParseAddr(text))
		if got.IsValid() != (want != "") || want != "" && got.String() != want {
			t.Errorf("%s: %v, want %q", text, got, want)
		}
	}
	s.onion = true
	if !s.measured(netip.MustParseAddr("127.0.0.1")).IsValid() {
		t.Error("Tor's users are not measured")
	}
}
