package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/towerapi"
)

// An operator reads of appointments that a limit of his refuses, by the option's name, and
// neither of each one nor of what clients send again.
func TestAnOperatorReadsWhomHisLimitsTurnAway(t *testing.T) {
	var log bytes.Buffer
	a := newTurnedAway(settings{prefix: "vigil-"}, slog.New(slog.NewTextHandler(&log, nil)))
	begin := time.Unix(1_800_000_000, 0)
	add := func(after time.Duration, cause teos.Cause) {
		a.served(towerapi.Served{Method: "add_appointment", Err: teos.Errorf(cause, "why")}, begin.Add(after))
	}
	want := func(what string, lines int, texts ...string) {
		t.Helper()
		if n := strings.Count(log.String(), "level=WARN"); n != lines {
			t.Errorf("%s: %d lines, want %d:\n%s", what, n, lines, &log)
		}
		for _, text := range texts {
			if !strings.Contains(log.String(), text) {
				t.Errorf("%s: nothing of %s:\n%s", what, text, &log)
			}
		}
	}
	add(0, teos.DelayTooSmall)
	want("the first", 1, "see vigil-min-to-self-delay", "refused=1 reason=why")
	add(time.Second, teos.DelayTooSmall)
	add(tellAgain-1, teos.DelayTooSmall)
	want("the next ones", 1)
	add(tellAgain, teos.DelayTooSmall)
	want("ten minutes later", 2, "refused=3")
	add(tellAgain, teos.TooLarge)
	want("another limit", 3, "see vigil-max-blob-size")
	add(tellAgain+1, teos.TooLarge)
	add(time.Hour, teos.NoSlots)
	want("the rest, once there is another request", 4, "max-blob-size\" refused=1")
	a.served(towerapi.Served{Method: "register", Err: teos.Errorf(teos.TooLarge, "why")}, begin.Add(time.Hour))
	a.served(towerapi.Served{Method: "add_appointment"}, begin.Add(time.Hour))
	want("what is none of it", 4)
}
