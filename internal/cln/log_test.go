package cln

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// lines returns what is queued as log lines, "level: message".
func lines(t *testing.T, p *Plugin) []string {
	t.Helper()
	n := startNode(t, p)
	n.call("1", "getmanifest", "[]")
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []string
	for _, w := range n.seen {
		if w.Method == "log" {
			list = append(list, w.Params.Level+": "+w.Params.Message)
		}
	}
	return list
}

func TestLogHandler(t *testing.T) {
	p := &Plugin{}
	l := slog.New(p.LogHandler())
	for _, level := range []slog.Level{-9, -8, -4, 0, 4, 8, 12} {
		l.Log(context.Background(), level, "level")
	}
	l.Info("attrs", "n", 1, "s", "a b", "empty", "", "err", errors.New(`say "no"`), "d", time.Second, slog.Group("g", "x", true))
	l.With("a", 1).WithGroup("G").With("b", 2).WithGroup("").Info("nested", "c", 3)
	l.Info("a\nb\r\t\x00\u2028\xff<é>\\", "k", "v\nw")
	l.Info("", "bad", panics{})
	want := []string{
		"trace: level", "debug: level", "info: level", "unusual: level", "broken: level", "broken: level",
		`info: attrs n=1 s="a b" empty="" err="say \"no\"" d=1s g.x=true`,
		"info: nested a=1 G.b=2 G.c=3",
		`info: a\nb\r\t\x00\u2028` + "\ufffd<é>\\" + ` k="v\nw"`,
		"info:  bad={}",
	}
	if got := lines(t, p); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLogLinesAreCut(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 70_000), strings.Repeat("é", 70_000), strings.Repeat("\n", 70_000), strings.Repeat("\xff", 70_000)} {
		got := oneLine(text, maxLogLine)
		if len(got) > maxLogLine || len(got) < maxLogLine-8 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("%.10q…: %d bytes, ends %.20q", text, len(got), got[len(got)-20:])
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text string
		max  int
		want string
	}{
		{"abcdef", 6, "abcdef"}, {"abcdefg", 6, "abc…"}, {"aééé", 6, "aé…"}, {"aéaé", 5, "a…"}, {"\x80\x80\x80\x80\x80\x80\x80", 6, "…"},
	} {
		if got := cut(tt.text, tt.max); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.text, tt.max, got, tt.want)
		}
	}
}
