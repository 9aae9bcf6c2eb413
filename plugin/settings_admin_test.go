package main

import (
	"slices"
	"strings"
	"testing"
)

func TestAdminSettings(t *testing.T) {
	for _, c := range []struct {
		bind, hosts, want string
		names             []string
		fails             string
	}{
		{"127.0.0.1:9816", "", "127.0.0.1:9816", nil, ""},
		{"off", "", "", nil, ""},
		{"[::1]:0", "tower.lan, vigil", "[::1]:0", []string{"tower.lan", "vigil"}, ""},
		{"", "", "", nil, "--admin-bind: must be an address and a port as in 127.0.0.1:9816, or off"},
		{"9816", "", "", nil, "--admin-bind: must be"},
		{"127.0.0.1:99999", "", "", nil, "--admin-bind: must be"},
		{"off", "tower.lan:9816", "", nil, "--admin-host: must be names without a port"},
		{"off", "10.0.0.1", "", nil, "--admin-host: must be names"},
	} {
		r := defaults()
		r["admin-bind"], r["admin-host"] = c.bind, c.hosts
		s, err := resolve(r, "--")
		switch {
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%q, %q: %v, want %s", c.bind, c.hosts, err, c.fails)
			}
		case err != nil || s.admin.bind != c.want || !slices.Equal(s.admin.hosts, c.names):
			t.Errorf("%q, %q: %+v, %v", c.bind, c.hosts, s.admin, err)
		}
	}
}
