package towerapi

import "testing"

func TestAnIPv4AddressOpensIPv4Only(t *testing.T) {
	for bind, want := range map[string]string{
		"0.0.0.0:9814": "tcp4", "127.0.0.1:0": "tcp4",
		"[::]:9814": "tcp", "[::1]:9814": "tcp", ":9814": "tcp", "localhost:9814": "tcp",
	} {
		if got := family(bind); got != want {
			t.Errorf("%s: %s, want %s", bind, got, want)
		}
	}
}
