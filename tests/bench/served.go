package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// served measures the built tower on a large store.
func (l *large) served() {
	l.Helper()
	t := l.startTower(l.node, l.dir, harness.Options{"subscription-slots": 100, "subscription-duration": 10, "expiry-grace": 1, "max-subscription": 0})
	l.settle(t, l.node.Height())
	l.say("starting, listing, and requests of users with much and with little")
	l.starts(t)
	l.tell("4", "resident memory after the start", "%d MiB", memory(t.pid, "VmRSS")/mib)
	l.tell("4", "get_subscription_info, user with a tenth / with ten", "%s / %s", l.list(t, heavyUser), l.list(t, lightUser))
	l.idle(t.cpu)
	l.perUser(t)
	l.leave(t)
	peak := memory(t.pid, "VmHWM")
	l.hold("4", "peak memory of all this", fmt.Sprintf("%d MiB", peak/mib), "under 150 MiB", peak < 150*mib)
	t.solo.Stop()
}

// starts measures from the program's start to its first answer, with the store
// in the system's cache and without.
func (l *large) starts(t *served) {
	l.Helper()
	t.solo.Stop()
	warm := l.startTime(t)
	t.solo.Stop()
	l.check("drop the cache", dropCache(filepath.Join(l.dir, "tower.sqlite")))
	cold := l.startTime(t)
	l.hold("4", "start to first answer, store cached by the system / not", short(warm)+" / "+short(cold),
		"under 1 s", max(warm, cold) < time.Second)
}

func (l *large) startTime(t *served) time.Duration {
	l.Helper()
	start := time.Now()
	l.launch(t)
	ask := post(t.address, "get_appointment", lightUser.question(teos.Locator{}))
	harness.Until(l, "the tower's first answer", func() bool { return answers(t.address, ask) })
	return time.Since(start)
}

// answers tells whether the tower decides on a request; that it finds nothing is
// an answer, too.
func answers(address string, request []byte) bool {
	c, err := dial(address)
	if err != nil {
		return false
	}
	defer c.conn.Close()
	_, err = c.ask(request)
	var refused *refusal
	return err == nil || errors.As(err, &refused) && !strings.HasPrefix(refused.status, "HTTP/1.1 5")
}

// idle waits until a tower, by the CPU that it has used, has nothing to do, for two
// minutes at most: what it builds after a start takes CPU, too, and is no request's.
func (l *large) idle(cpu func() time.Duration) {
	l.Helper()
	const longest, little = 2 * time.Minute, 20 * time.Millisecond
	for start := time.Now(); time.Since(start) < longest; {
		before := cpu()
		l.pause(time.Second)
		if cpu()-before <= little {
			return
		}
	}
}

// costs are what requests of one user cost.
type costs struct{ register, add, get result }

// perUser measures what requests cost a user with many appointments, and one
// with ten; by turns, for the machine is not always as fast.
func (l *large) perUser(t *served) {
	l.Helper()
	var heavy, light costs
	l.cost(t, lightUser, &costs{}) // the first requests of a process tell of its start
	for range rounds {
		l.cost(t, heavyUser, &heavy)
		l.cost(t, lightUser, &light)
	}
	for _, r := range []struct {
		what         string
		heavy, light result
	}{{"register", heavy.register, light.register}, {"add_appointment", heavy.add, light.add}, {"get_appointment", heavy.get, light.get}} {
		l.hold("4", r.what+", user with a tenth of all / with ten: CPU (median)",
			fmt.Sprintf("%s (%s) / %s (%s)", short(r.heavy.cpuEach()), short(quantile(r.heavy.times(), 0.5)),
				short(r.light.cpuEach()), short(quantile(r.light.times(), 0.5))),
			"the same (± 25%)", r.heavy.cpuEach() <= r.light.cpuEach()*5/4)
	}
}

// cost adds a round of requests, one after the other.
func (l *large) cost(t *served, u user, c *costs) {
	l.Helper()
	const n = 200
	var registers, adds, gets [][]byte
	for range n {
		a := u.add(teos.Appointment{})
		registers = append(registers, post(t.address, "register", u.registration()))
		adds = append(adds, post(t.address, "add_appointment", a.body))
		gets = append(gets, post(t.address, "get_appointment", u.question(a.locator)))
	}
	c.register.join(l.load(t, 1, registers, time.Minute, nil))
	c.add.join(l.load(t, 1, adds, time.Minute, nil))
	c.get.join(l.load(t, 1, gets, time.Minute, nil))
}

// list asks for a user's subscription, which names all appointments.
func (l *large) list(t *served, u user) string {
	l.Helper()
	start := time.Now()
	body := fmt.Sprintf(`{"signature":"%v"}`, teos.Sign(u.key, teos.SubscriptionInfoMessage()))
	req, err := http.NewRequestWithContext(l.ctx, http.MethodPost, "http://"+t.address+"/get_subscription_info", strings.NewReader(body))
	l.check("make a request", err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	l.check("ask for a subscription", err)
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	took := time.Since(start)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Sprintf("status %d after %s, %d bytes, %v", resp.StatusCode, short(took), n, err)
	}
	return fmt.Sprintf("%s, %d bytes", short(took), n)
}

const (
	// patience is for how long the file of the store may get smaller, and still
	// how long it must stay as it is to be taken for what it ends as.
	patience = 15 * time.Minute
	still    = 30 * time.Second
	// leaveAtOnce is how many appointments go with one block.
	leaveAtOnce = 5000
)

// leave lets subscriptions end, with all that they held, while appointments are
// handed in.
func (l *large) leave(t *served) {
	l.Helper()
	n := l.size / leaveOf
	l.say("%d appointments leave", n)
	l.node.MineTo(leaveAt - 1)
	l.settle(t, leaveAt-1)
	before := l.diskOf(l.dir)
	adds := l.addMeanwhile(t, []user{lightUser})
	start := time.Now()
	for height := leaveAt; height <= leaveAt+1+n/leaveAtOnce; height++ {
		if done := (height - leaveAt - 1) * leaveAtOnce; done > 0 && done%max(1, n/10) == 0 {
			l.say("%d of %d have left", min(done, n), n)
		}
		l.node.MineTo(height)
		l.settle(t, height)
	}
	took := time.Since(start)
	answers := adds()
	after, shrinking := l.shrink()
	l.hold("5", fmt.Sprintf("%d appointments end in %d blocks: adds meanwhile, longest (and all blocks)", n, n/leaveAtOnce),
		fmt.Sprintf("%s, %d refused (%s)", short(quantile(answers.took, 1)), answers.refused, short(took)), "none refused", answers.refused == 0)
	l.hold("5", "the file before and after, service up", fmt.Sprintf("%.1f and %.1f MiB, the last of it %s after the last block; %d appointments came meanwhile",
		float64(before)/mib, float64(after)/mib, short(shrinking), len(answers.took)), "less", after < before)
}

// shrink waits until the store's file gets no smaller, and says how small it is and
// how long that took.
func (l *large) shrink() (size int64, took time.Duration) {
	l.Helper()
	start := time.Now()
	size = l.diskOf(l.dir)
	l.say("the file shrinks; it is done when it has not for %s", still)
	for i := 1; time.Since(start) < min(patience, took+still); i++ {
		l.pause(time.Second)
		if i%10 == 0 {
			l.say("it has %.1f MiB", float64(size)/mib)
		}
		if now := l.diskOf(l.dir); now < size {
			size, took = now, time.Since(start)
		}
	}
	return size, took
}
