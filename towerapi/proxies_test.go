package towerapi

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestClientAddress(t *testing.T) {
	s := &Server{proxies: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128"),
	}}
	const (
		proxy    = "127.0.0.1:1234"
		stranger = "203.0.113.9:1234"
	)
	for name, c := range map[string]struct {
		peer, realIP string
		forwarded    []string
		want         string
	}{
		"no header":               {proxy, "", nil, "127.0.0.1"},
		"real IP":                 {proxy, "198.51.100.1", nil, "198.51.100.1"},
		"real IP, not one":        {proxy, "<script>", nil, "127.0.0.1"},
		"real IP of a stranger":   {stranger, "198.51.100.1", nil, "203.0.113.9"},
		"forwarded":               {proxy, "", []string{"198.51.100.1"}, "198.51.100.1"},
		"forwarded by a stranger": {stranger, "", []string{"198.51.100.1"}, "203.0.113.9"},
		"forwarded and real IP":   {proxy, "198.51.100.2", []string{"198.51.100.1"}, "198.51.100.1"},
		"made up by the client":   {proxy, "", []string{"192.0.2.1, 198.51.100.1"}, "198.51.100.1"},
		"two proxies":             {proxy, "", []string{"192.0.2.1, 198.51.100.1, 10.1.2.3"}, "198.51.100.1"},
		"two headers":             {proxy, "", []string{"192.0.2.1, 198.51.100.1", "10.1.2.3"}, "198.51.100.1"},
		"proxies only":            {proxy, "", []string{"10.1.2.4, 10.1.2.3"}, "10.1.2.4"},
		"not an address":          {proxy, "", []string{"198.51.100.1, unknown, 10.1.2.3"}, "10.1.2.3"},
		"with ports":              {proxy, "", []string{"198.51.100.1:80, [::1]:80"}, "198.51.100.1"},
		"IPv6":                    {"[::1]:1234", "", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv4 in IPv6":            {"[::ffff:127.0.0.1]:1234", "", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"no peer":                 {"", "198.51.100.1", nil, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			if c.realIP != "" {
				r.Header.Set("X-Real-IP", c.realIP)
			}
			if got := s.client(r).String(); got != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
		})
	}
}

// The address is logged for debugging, and the request's body and its long
// path are not.
func TestWhatIsLogged(t *testing.T) {
	s := start(t, &fakeTower{}, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, quick())
	w := s.dial()
	w.write("GET /%s HTTP/1.1\r\nHost: x\r\nX-Real-IP: 198.51.100.7\r\nConnection: close\r\n\r\n", strings.Repeat("p", 5000))
	w.reply().is(t, http.StatusNotFound, 6)
	s.post("/register", `{"user_id":"`+strings.Repeat("secret", 100)+`"}`).is(t, http.StatusBadRequest, 5)
	s.stop()
	got := s.log.String()
	if !strings.Contains(got, "client=198.51.100.7") || strings.Contains(got, "secret") || len(got) > 3000 {
		t.Fatalf("%d bytes: %s", len(got), got)
	}
}
