package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// document is what people wrote, around two sections that are generated.
const document = `before
<!-- bench: begin, written by make bench -->
old
<!-- bench: end -->
between
<!-- bench-scale: begin, written by make bench-scale -->
kept
<!-- bench-scale: end -->
after
`

func TestTheTableGoesBetweenItsMarkers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	table := &table{machine: []string{"two cores"}}
	table.hold("1", "what", "2/s", "at least 3/s", false)
	for range 2 { // the second run finds what the first has written
		if err := table.write(path, "bench"); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(document, "old\n", `- two cores

| no. | what | figure | target | |
|---|---|---|---|---|
| 1 | what | 2/s | at least 3/s | NOT MET |
`, 1)
	if string(text) != want {
		t.Errorf("the document is\n%s\ninstead of\n%s", text, want)
	}
}

func TestADocumentWithoutMarkersIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.md")
	table := &table{}
	if err := table.write(path, "bench"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a document that is not there: %v", err)
	}
	for _, text := range []string{"", "<!-- bench: begin, written by make bench -->\n", "<!-- bench: end -->"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := table.write(path, "bench"); !errors.Is(err, errNoMarkers) {
			t.Errorf("%q: %v", text, err)
		}
		if is, err := os.ReadFile(path); err != nil || string(is) != text {
			t.Errorf("%q became %q, %v", text, is, err)
		}
	}
}

// make bench and make bench-scale find their places.
func TestTheDocumentHasItsMarkers(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []settings{{}, {scale: 1}} {
		path := filepath.Join(t.TempDir(), "performance.md")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := (&table{}).write(path, s.section()); err != nil {
			t.Error(err)
		}
	}
}

func TestQuantile(t *testing.T) {
	took := []time.Duration{4, 2, 3, 1}
	for share, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.99: 4, 1: 4} {
		if is := quantile(took, share); is != want {
			t.Errorf("%v: %d instead of %d", share, is, want)
		}
	}
	if is := quantile(nil, 0.5); is != 0 {
		t.Errorf("of nothing: %d", is)
	}
}
