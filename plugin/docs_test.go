package main

import (
	"os"
	"strings"
	"testing"

	"vigil/internal/operator"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestMethodsAreDocumented: each has a section that names its parameters.
func TestMethodsAreDocumented(t *testing.T) {
	text := page(t, "docs/methods.md")
	for _, m := range operator.Methods() {
		_, section, found := strings.Cut(text, "\n### "+prefix+m.Name+"\n")
		if !found {
			t.Errorf("docs/methods.md has no section %s%s", prefix, m.Name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n### ")
		for _, p := range m.Params {
			if !strings.Contains(section, "`"+p.Name+"`") {
				t.Errorf("docs/methods.md does not name the parameter %s of %s", p.Name, m.Name)
			}
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		name, isMethod := strings.CutPrefix(line, "### "+prefix)
		if _, found := operator.Find(name); isMethod && !found {
			t.Errorf("docs/methods.md tells of %s, which is none", name)
		}
	}
}

// TestOptionsAreDocumented: README's table has them all, and their defaults.
func TestOptionsAreDocumented(t *testing.T) {
	text := page(t, "README.md")
	for _, o := range options {
		_, row, found := strings.Cut(text, "\n| `--"+o.name+"` |")
		if !found {
			t.Errorf("README's table has no --%s", o.name)
			continue
		}
		row, _, _ = strings.Cut(row, "\n")
		if !strings.Contains(row, o.fallback) {
			t.Errorf("README's table: --%s has the default %s, the row says %s", o.name, o.fallback, row)
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		rest, isRow := strings.CutPrefix(line, "| `--")
		name, _, _ := strings.Cut(rest, "`")
		if isRow && len(pick(name)) != 1 {
			t.Errorf("README's table has --%s, which is none", name)
		}
	}
}
