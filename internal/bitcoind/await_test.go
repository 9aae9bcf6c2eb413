package bitcoind

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// startAwait is Await at work, with the log of what failed.
func startAwait(c *Client) hints {
	ctx, cancel := context.WithCancel(context.Background())
	h := hints{make(chan struct{}, 10), make(chan string, 10), make(chan struct{}), cancel}
	go func() {
		defer close(h.done)
		log := slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Await(ctx, log, func() { h.wakes <- struct{}{} })
	}()
	return h
}

// What asks for a height is answered once the node has it; a chain that gets shorter
// is news, too.
func TestAwait(t *testing.T) {
	answer, wait := make(chan string, 1), make(chan string, 10)
	n := newNode(t, func(w http.ResponseWriter, call string) {
		wait <- call
		body(http.StatusOK, `{"result":{"hash":"00","height":`+<-answer+`}}`)(w)
	})
	h := startAwait(newClient(t, n))
	for _, step := range []struct{ asked, at string }{{"0", "7"}, {"8", "8"}, {"9", "8"}, {"9", "11"}, {"12", "10"}, {"11", "11"}} {
		if got, want := within(t, "call", wait), "waitforblockheight "+step.asked+" 20000"; got != want {
			t.Fatalf("asked %q, want %q", got, want)
		}
		answer <- step.at
		if step.asked != "9" || step.at != "8" {
			within(t, "hint at "+step.at, h.wakes)
		}
	}
	within(t, "call", wait) // it ends while the node waits
	h.stop(t)
	answer <- "0"
	if len(h.wakes) != 0 {
		t.Error("it woke without a block")
	}
}

func TestAwaitWhereNobodyTells(t *testing.T) {
	for name, tc := range map[string]struct{ answer, want string }{
		"another method":       {`!{"code":-32601,"message":"Method not found"}`, "subscribe to blocks: "},
		"not for this user":    {`!{"code":-1,"message":"no"}`, "waitforblockheight: error -1: no"},
		"no height":            {`{"hash":"00"}`, "waitforblockheight: unusable answer: no height in it"},
		"something else":       {`[1]`, "unusable answer"},
		"a height that is not": {`{"height":-1}`, "unusable answer"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, answers{"waitforblockheight": tc.answer}.serve)
			h := startAwait(newClient(t, n))
			if line := within(t, "reason", h.logs); !strings.Contains(line, tc.want) || strings.Contains(line, "secret") {
				t.Errorf("logged %s", line)
			}
			h.stop(t)
			if len(h.wakes) != 0 {
				t.Error("it woke")
			}
		})
	}
}
