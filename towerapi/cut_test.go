package towerapi

import (
	"strings"
	"testing"
)

func TestCut(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		most int
		want string
	}{
		"fits":                 {"abc", 3, "abc"},
		"too long":             {"abcd", 3, "abc"},
		"empty":                {"", 3, ""},
		"between characters":   {"aé€", 3, "aé"},
		"inside two bytes":     {"abé", 3, "ab"},
		"inside three bytes":   {"a€", 3, "a"},
		"inside four bytes":    {"😀", 3, ""},
		"no UTF-8":             {"\xff\xff\xff\xff", 3, "\xff\xff\xff"},
		"continued from begin": {strings.Repeat("\x80", 8), 6, "\x80\x80\x80"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cut(c.text, c.most); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}
