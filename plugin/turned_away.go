package main

import (
	"log/slog"
	"sync"
	"time"

	"vigil/internal/teos"
	"vigil/towerapi"
)

// tellAgain is for how long nothing more is said of a limit that turns appointments away.
const tellAgain = 10 * time.Minute

// limitsOf are the options that refuse an appointment for good: clients don't send again
// what is refused so, and only they know that the state is not guarded.
var limitsOf = map[teos.Cause]string{
	teos.DelayTooSmall: "min-to-self-delay",
	teos.TooLarge:      "max-blob-size",
}

// turnedAway tells the operator of appointments that a limit of his refuses. Strangers can
// make that happen: it says so rarely.
type turnedAway struct {
	log      *slog.Logger
	settings settings

	mu sync.Mutex
	by map[teos.Cause]refusals
}

// refusals are those by one limit that were not told yet.
type refusals struct {
	refused int
	reason  string // of the last one
	told    time.Time
}

func newTurnedAway(s settings, log *slog.Logger) *turnedAway {
	return &turnedAway{log: log, settings: s, by: map[teos.Cause]refusals{}}
}

// served is told of each request: a later one lets the rest of a burst be told.
func (a *turnedAway) served(r towerapi.Served, now time.Time) {
	var e *teos.Error
	if r.Err != nil && r.Method == "add_appointment" {
		e = teos.AsError(r.Err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for cause, option := range limitsOf {
		t := a.by[cause]
		if e != nil && e.Cause == cause {
			t.refused, t.reason = t.refused+1, e.Text
		}
		if t.refused > 0 && now.Sub(t.told) >= tellAgain {
			a.log.Warn("appointments are refused for good: if they are your users', those states are not guarded here; see "+
				a.settings.named(option), "refused", t.refused, "reason", t.reason)
			t = refusals{told: now}
		}
		a.by[cause] = t
	}
}
