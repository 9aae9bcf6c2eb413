package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestConfFlags(t *testing.T) {
	name := filepath.Join(t.TempDir(), "vigil.conf")
	text := "# a tower\n\n api-bind = 0.0.0.0:9814 \nbitcoind=http://u:p=q@h:1\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{"--api-bind=0.0.0.0:9814", "--bitcoind=http://u:p=q@h:1"}
	for _, args := range [][]string{{"--conf", name}, {"--conf=" + name}, {"-conf", name, "--network", "regtest"}} {
		if got, err := confFlags(args, offered(standalone)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", args, got, err)
		}
	}
	if got, err := confFlags([]string{"--network", "conf"}, nil); got != nil || err != nil {
		t.Errorf("without --conf: %q, %v", got, err)
	}
}

func TestConfThatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"api-bind":                       "line 1 must be name=value",
		"\nvigil-api-bind=x":             `line 2: there is no option "vigil-api-bind"`,
		"conf=x":                         `there is no option "conf"`,
		strings.Repeat("x", 1<<17) + "=": "token too long",
	} {
		if _, err := parseConf(strings.NewReader(text), offered(standalone)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
	if _, err := confFlags([]string{"--conf", "/does/not/exist"}, nil); err == nil || !strings.Contains(err.Error(), "--conf") {
		t.Errorf("a file that is not there: %v", err)
	}
}
