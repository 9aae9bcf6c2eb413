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

	mu    sync.Mutex
	told  map[teos.Cause]time.Time
	since map[teos.Cause]int // refused since it was told
}

func newTurnedAway(s settings, log *slog.Logger) *turnedAway {
	return &turnedAway{log: log, settings: s, told: map[teos.Cause]time.Time{}, since: map[teos.Cause]int{}}
}

func (a *turnedAway) served(r towerapi.Served, now time.Time) {
	if r.Err == nil || r.Method != "add_appointment" {
		return
	}
	e := teos.AsError(r.Err)
	option, ours := limitsOf[e.Cause]
	if !ours {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.since[e.Cause]++
	if last, told := a.told[e.Cause]; told && now.Sub(last) < tellAgain {
		return
	}
	a.log.Warn("appointments are refused for good: those states are not guarded here; see "+a.settings.named(option),
		"refused", a.since[e.Cause], "reason", e.Text)
	a.told[e.Cause], a.since[e.Cause] = now, 0
}
