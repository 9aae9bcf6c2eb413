package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestWrongFlagsAreToldInOurWords, not in those of Go's package.
func TestWrongFlagsAreToldInOurWords(t *testing.T) {
	list := []option{{name: "api-bind"}, {name: "passphrase", filled: true}, {name: "json", toggle: true}}
	for args, want := range map[string]string{
		"--api-bnd x":   "there is no option --api-bnd",
		"--api-bind":    "--api-bind needs a value",
		"---x":          `"---x" is no option`,
		"--passphrase=": "--passphrase needs the name of a file",
	} {
		_, err := parseFlags("tower", "", strings.Fields(args), list, nil, io.Discard)
		if fmt.Sprint(err) != want+": see `vigil tower --help`" {
			t.Errorf("%s: %v", args, err)
		}
	}
	for _, arg := range []string{"--api-bind=x", "--api_bind=x"} {
		if r, err := parseFlags("tower", "", []string{arg}, list, nil, io.Discard); err != nil || r["api-bind"] != "x" {
			t.Errorf("%s: %v, %v", arg, r, err)
		}
	}
}

// TestParametersAreFlagsWithHyphens: as all others are; as lightning-cli has them,
// too.
func TestParametersAreFlagsWithHyphens(t *testing.T) {
	for _, flag := range []string{"--tower-id", "--tower_id"} {
		_, err := shell(t, "verify", "/nonexistent/receipt", flag, strings.Repeat("02", 33))
		if err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if out, err := shell(t, "verify", "--help"); err != nil || !strings.Contains(out, "--tower-id") || strings.Contains(out, "--tower_id") {
		t.Errorf("%s, %v", out, err)
	}
}

// TestADocumentIsAFileInTheShell: the help says so, and who gives none is told.
func TestADocumentIsAFileInTheShell(t *testing.T) {
	out, err := shell(t, "verify", "--help")
	_, missing := shell(t, "verify")
	for _, said := range []string{strings.Join(strings.Fields(out), " "), fmt.Sprint(missing)} {
		if err != nil || !strings.Contains(said, "The shell takes the name of a file that holds it, or - for standard input") {
			t.Errorf("%s, %v", said, err)
		}
	}
}

// TestAnOptionIsNoOptionsValue: a value that was forgotten, or a variable that is not
// set, would take the next option away, and with it the directory that it names.
func TestAnOptionIsNoOptionsValue(t *testing.T) {
	list := []option{{name: "note"}, {name: "data-dir"}, {name: "json", toggle: true}}
	parse := func(args string) (raw, error) {
		return parseFlags("invite", "", strings.Fields(args), list, []string{"slots", "uses"}, io.Discard)
	}
	for args, name := range map[string]string{
		"--note --data-dir t1": "note", "-note --json": "note", "5 --data-dir --json": "data-dir",
		"--data_dir --note=x": "data_dir", "--note --": "note", "--json --note --unknown": "note",
	} {
		_, err := parse(args)
		if err == nil || !strings.HasPrefix(err.Error(), "--"+name+" needs a value, and ") || !strings.Contains(err.Error(), "--"+name+"=--") {
			t.Errorf("%s: %v", args, err)
		}
	}
	for args, want := range map[string]string{
		"--note=--x": "--x", "--note -x": "-x", "--note - --json": "-", "--note x --data-dir t1 7": "x", "--json --note x": "x", "--note x -- --json": "x",
	} {
		if r, err := parse(args); err != nil || r["note"] != want {
			t.Errorf("%s: %v, %v", args, r["note"], err)
		}
	}
	if _, err := shell(t, "tower", "--conf", "--data-dir", t.TempDir()); err == nil || !strings.HasPrefix(err.Error(), "--conf needs a value") {
		t.Errorf("got %v", err)
	}
}

// TestAMisplacedOptionShowsNoValue: it may hold a password.
func TestAMisplacedOptionShowsNoValue(t *testing.T) {
	const url = "http://u:hidden@h"
	for _, args := range [][]string{
		{"--bitcoind=" + url, "tower"}, {"tower", "--data-dir", "--bitcoind=" + url}, {"tower", "---bitcoind=" + url},
		{"tower", "--bitcoin=" + url}, {"tower", "--bitcoind", "=", url}, {url}, {"info", "bitcoind=" + url},
	} {
		if _, err := shell(t, args...); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
