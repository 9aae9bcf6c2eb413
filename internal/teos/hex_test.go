package teos

import (
	"fmt"
	"strings"
	"testing"
)

// TestWhatIsWrongWithHexIsSaidInWords: of no package of ours, nor of Go's.
func TestWhatIsWrongWithHexIsSaidInWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "it has 0 characters instead of 32 hex digits",
		strings.Repeat("a", 31):        "it has 31 characters instead of 32 hex digits",
		strings.Repeat("\u00e4", 32):   "some of its characters are no hex digits",
		strings.Repeat("a", 31) + "g":  "some of its characters are no hex digits",
		"0x" + strings.Repeat("a", 30): "some of its characters are no hex digits",
	} {
		if _, err := ParseLocator(text); fmt.Sprint(err) != "locator: "+want {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ParseUserID(strings.Repeat("z", 66)); fmt.Sprint(err) != "user id: some of its characters are no hex digits" {
		t.Error(err)
	}
	if _, err := ParseHex("abc"); fmt.Sprint(err) != "it has an odd number of hex digits, 3" {
		t.Error(err)
	}
}
