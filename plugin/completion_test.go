package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// printed is what a command of the shell prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := command(t.Context(), args, &out); err != nil {
		t.Fatalf("vigil %v: %v", args, err)
	}
	return out.String()
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("NOT RUN here: %v", err)
	}
	return path
}

// file is a file with what a command prints.
func file(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "printed")
	if err := os.WriteFile(path, []byte(printed(t, args...)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBashCompletes(t *testing.T) {
	script := `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vigil; echo "${COMPREPLY[@]}"`
	source := file(t, "completion", "bash")
	for _, c := range []struct{ line, want string }{
		{"vigil tow", "tower"},
		{"vigil tower --network te", "testnet testnet4"},
		{"vigil tower --subscription-s", "--subscription-slots"},
		{"vigil breaches ref", "refused"},
		{"vigil breaches --state lo", "lost"},
		{"vigil info --j", "--json"},
		{"vigil help comp", "completion"},
		{"vigil completion f", "fish"},
		{"vigil nothing x", ""},
	} {
		args := append([]string{"-u", "-c", script, "bash", source}, strings.Fields(c.line)...)
		out, err := exec.CommandContext(t.Context(), program(t, "bash"), args...).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != c.want {
			t.Errorf("%q is completed by %q (%v), want %q", c.line, out, err, c.want)
		}
	}
}

func TestOtherShellsReadTheirCompletion(t *testing.T) {
	for _, shell := range []string{"zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), program(t, shell), "-n", file(t, "completion", shell)).CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestEachShellKnowsEachCommandAndOption(t *testing.T) {
	for _, shell := range shells() {
		text := printed(t, "completion", shell)
		for _, s := range sections() {
			for _, c := range s.commands {
				if !strings.Contains(text, c.name) {
					t.Errorf("%s does not complete %s", shell, c.name)
				}
			}
		}
		for _, o := range offered(standalone) {
			if !strings.Contains(text, "--"+o.name) && !strings.Contains(text, "-l "+o.name) {
				t.Errorf("%s does not complete --%s", shell, o.name)
			}
		}
	}
	var out bytes.Buffer
	if err := command(t.Context(), []string{"completion", "tcsh"}, &out); err == nil || out.Len() > 0 {
		t.Errorf("tcsh: %q, %v", out.String(), err)
	}
}

func TestManualIsCleanRoff(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), program(t, "man"), "--warnings", "-l", file(t, "manual"))
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80", "MAN_KEEP_FORMATTING=", "PAGER=cat")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	page, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("man: %v: %s", err, stderr.Bytes())
	}
	for _, section := range []string{"NAME", "SYNOPSIS", "COMMANDS", "OPTIONS", "FILES", "EXIT STATUS"} {
		if !strings.Contains(string(page), "\n"+section+"\n") {
			t.Errorf("the page has no %s", section)
		}
	}
}

func TestManualNamesEverything(t *testing.T) {
	text := strings.ReplaceAll(printed(t, "manual"), `\-`, "-")
	for _, s := range sections() {
		for _, c := range s.commands {
			if !strings.Contains(text, ".B vigil "+c.name) {
				t.Errorf("the manual does not name vigil %s", c.name)
			}
		}
	}
	for _, o := range offered(standalone) {
		if !strings.Contains(text, ".BI --"+o.name+" ") {
			t.Errorf("the manual does not name --%s", o.name)
		}
	}
}

func TestHelp(t *testing.T) {
	text := printed(t, "help")
	for _, s := range sections() {
		for _, c := range s.commands {
			if !strings.Contains(text, "vigil "+c.words()) || c.summary() == "" {
				t.Errorf("vigil help does not name %s", c.name)
			}
			if help := printed(t, c.name, "--help"); c.name != "help" && c.name != "version" && !strings.HasPrefix(help, "Usage: vigil "+c.words()+" [") {
				t.Errorf("vigil %s --help prints %q", c.name, help)
			}
		}
	}
	if got := printed(t, "help", "info"); got != printed(t, "info", "--help") {
		t.Errorf("vigil help info prints %q", got)
	}
	if text != printed(t) || text != printed(t, "--help") {
		t.Error("vigil alone, and vigil --help, print something else")
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > 84 {
			t.Errorf("a long line: %q", line)
		}
	}
	for _, args := range [][]string{{"nothing"}, {"help", "nothing"}} {
		var out bytes.Buffer
		if err := command(t.Context(), args, &out); err == nil || out.Len() > 0 || !strings.Contains(err.Error(), "vigil help") {
			t.Errorf("vigil %v prints %q, %v", args, out.String(), err)
		}
	}
}

func TestNamesAreGivenOnce(t *testing.T) {
	var seen []string
	for _, s := range sections() {
		for _, c := range s.commands {
			if slices.Contains(seen, c.name) {
				t.Errorf("there are two commands %s", c.name)
			}
			seen = append(seen, c.name)
		}
	}
}
