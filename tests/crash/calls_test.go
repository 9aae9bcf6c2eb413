package crash

import (
	"bytes"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A line of strace is "TID call(FD<file>, args) = result". A call that another
// thread came between is "TID call(FD<file>, args <unfinished ...>" and later
// "TID <... call resumed>) = result". With -xx all text is written "\x2f\x64".
var (
	wroteAt   = regexp.MustCompile(`^(\d+) +pwrite64\(\d+<([^>]*)>, "([^"]*)", \d+, (\d+)`)
	truncated = regexp.MustCompile(`^(\d+) +ftruncate\(\d+<([^>]*)>, (\d+)`)
	synced    = regexp.MustCompile(`^(\d+) +fsync\(\d+<([^>]*)>( <unfinished \.\.\.>|\) += 0)`)
	resumed   = regexp.MustCompile(`^(\d+) +<\.\.\. fsync resumed>\) += 0`)
	wrote     = regexp.MustCompile(`^(\d+) +write\(\d+<[^>]*>, "([^"]*)"`)
)

// parseCalls reads what strace has noted, in its order. A write counts when it
// begins, and so does an answer; a sync counts when it has ended.
func parseCalls(t *testing.T, text string) []call {
	t.Helper()
	var calls []call
	syncing := map[string]string{} // by thread
	for line := range strings.Lines(text) {
		if m := wroteAt.FindStringSubmatch(line); m != nil {
			calls = append(calls, call{name: "pwrite64", file: fileName(t, m[2]), data: unescape(t, m[3]), offset: number(t, m[4])})
		} else if m := truncated.FindStringSubmatch(line); m != nil {
			calls = append(calls, call{name: "ftruncate", file: fileName(t, m[2]), offset: number(t, m[3])})
		} else if m := synced.FindStringSubmatch(line); m != nil && strings.HasPrefix(m[3], ")") {
			calls = append(calls, call{name: "fsync", file: fileName(t, m[2])})
		} else if m != nil {
			syncing[m[1]] = fileName(t, m[2])
		} else if m := resumed.FindStringSubmatch(line); m != nil {
			calls = append(calls, call{name: "fsync", file: syncing[m[1]]})
		} else if m := wrote.FindStringSubmatch(line); m != nil && isReceipt(unescape(t, m[2])) {
			calls = append(calls, call{name: "answer"})
		}
	}
	return calls
}

// isReceipt tells whether an HTTP answer accepts an appointment.
func isReceipt(b []byte) bool {
	return bytes.HasPrefix(b, []byte("HTTP/1.1 200")) && bytes.Contains(b, []byte(`"start_block"`))
}

// fileName is the last part of a path, which strace escapes or not.
func fileName(t *testing.T, text string) string {
	t.Helper()
	if strings.HasPrefix(text, `\x`) {
		text = string(unescape(t, text))
	}
	return filepath.Base(text)
}

func unescape(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil {
		t.Fatalf("strace wrote %.100q: %v", text, err)
	}
	return b
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
