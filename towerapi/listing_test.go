package towerapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
)

// locatorAt is a different one for each number.
func locatorAt(i int64) teos.Locator { return teos.Locator{byte(i >> 16), byte(i >> 8), byte(i)} }

// paged is a core that has so many locators and lists them page by page.
func paged(n, page int64) *fakeTower {
	return &fakeTower{page: func(after int64) (tower.Subscription, error) {
		s := tower.Subscription{Slots: 7, Expiry: 8}
		for i := after; i < min(after+page, n); i++ {
			s.Locators = append(s.Locators, locatorAt(i))
		}
		if after+page <= n {
			s.Next = after + page
		}
		return s, nil
	}}
}

// However many pages there are, the answer is as if there was one, but for its
// length, which nobody knows before.
func TestListingsOfManyPages(t *testing.T) {
	for _, n := range []int64{0, 1, 9, 10, 11, 20, 999, 1000} {
		s := start(t, paged(n, 10), Config{}, quick())
		r := s.post(infoPath, newUser(t, teos.V2).info())
		var want tower.Subscription
		want.Slots, want.Expiry = 7, 8
		for i := range n {
			want.Locators = append(want.Locators, locatorAt(i))
		}
		text, err := json.Marshal(NewSubscriptionInfo(want))
		if err != nil {
			t.Fatal(err)
		}
		if r.status != http.StatusOK || strings.TrimSpace(r.raw) != string(text) {
			t.Errorf("%d locators: %v instead of %s", n, r, text)
		}
		if len(s.endpoints[infoPath].turns) != 0 {
			t.Error("a turn was not given back")
		}
	}
}

// A listing that can't go on must not look whole.
func TestListingsThatBreakOff(t *testing.T) {
	core := paged(1000, 10)
	whole, asked := core.page, atomic.Int64{}
	core.page = func(after int64) (tower.Subscription, error) {
		if asked.Add(1) == 150 { // in the second list
			return tower.Subscription{}, errors.New("the disk is gone")
		}
		return whole(after)
	}
	s := start(t, core, Config{}, quick())
	resp, err := http.Post(s.url+infoPath, jsonType, strings.NewReader(newUser(t, teos.V2).info()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil || resp.StatusCode != http.StatusOK {
		t.Errorf("status %d, whole: ...%q", resp.StatusCode, body[max(0, len(body)-100):])
	}
	s.until("its place to be free", func() bool {
		return len(s.endpoints[infoPath].large)+len(s.endpoints[infoPath].turns) == 0
	})
}

// endless is a core whose listings never end.
func endless() *fakeTower { return paged(1<<40, 10_000) }

// Who asks for a listing and doesn't read it keeps no place, and what it waits for
// is let go.
func TestListingsThatNobodyReadsMakeRoom(t *testing.T) {
	s := crowded(t, endless(), 2)
	u := newUser(t, teos.V2)
	s.hesitant(u)
	s.hesitant(u)
	s.until("both to be answered", func() bool { return len(s.endpoints[infoPath].large) == 2 })
	s.served("127.0.0.3")
	s.served("127.0.0.4")
	s.until("both to be let go", func() bool { return len(s.endpoints[infoPath].large) == 0 })
}

// However fast one is read, it has its time.
func TestListingsHaveTheirTime(t *testing.T) {
	tm := quick()
	tm.write, tm.page = 100*time.Millisecond, time.Nanosecond
	s := start(t, endless(), Config{}, tm)
	resp, err := http.Post(s.url+infoPath, jsonType, strings.NewReader(newUser(t, teos.V2).info()))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("it has an end")
	}
}
