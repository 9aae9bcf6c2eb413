package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// namedDoor is the HTTP API under another name of the host, as DNS or Tor lead to
// it, and below a path.
type namedDoor struct {
	url  harness.HTTPDoor
	host string
	path string
}

func (d namedDoor) Ask(ctx context.Context, method string, body any) (harness.Answer, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return harness.Answer{}, err
	}
	url := string(d.url) + d.path + "/" + method
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(raw))
	if err != nil {
		return harness.Answer{}, err
	}
	r.Host = d.host
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return harness.Answer{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return harness.Answer{Status: answer.StatusCode, Header: answer.Header, Body: text}, err
}

// invitation is what vigil-invite answers.
type invitation struct {
	Token, Path string
	Addresses   []struct{ Address, Register string }
}

var codeNotAdmitted = codes{-34, 65}

func (s *scene) ask(method string, params map[string]any, answer any) {
	s.Helper()
	if err := s.tower.Ask(s.Context(), method, params, answer); err != nil {
		s.Fatalf("%s: %v", method, err)
	}
}

func (s *scene) wantNotAdmitted(u *harness.Client, why string) {
	s.Helper()
	if _, err := u.Register(s.Context()); harness.Code(err) != codeNotAdmitted.of(u.Dialect) {
		s.Errorf("%s: %v, want it refused", why, err)
	}
}

// TestWhoMayUseTheTower: strangers are refused and knock; a token lets one key in,
// the operator another; who is removed is watched for no more.
func TestWhoMayUseTheTower(t *testing.T) {
	s, _ := inStandIn(t, harness.Options{"public-address": "tower.example:9814", "subscription-slots": 10})
	stranger := harness.NewUser(s, teos.V2, s.tower.HTTP())
	s.wantNotAdmitted(stranger, "a stranger")

	var in invitation
	s.ask("invite", map[string]any{"slots": 7, "note": "a friend"}, &in)
	address := in.Token + ".tower.example:9814"
	if len(in.Addresses) != 1 || in.Addresses[0].Address != address || !strings.Contains(in.Addresses[0].Register, "@"+address) {
		s.Errorf("the invitation is %+v", in)
	}
	named := namedDoor{url: s.tower.HTTP(), host: address}
	friend := harness.NewUser(s, teos.V2, named)
	if r := s.register(friend); r.Slots != 7 {
		s.Errorf("the friend has %d slots", r.Slots)
	}
	s.register(friend) // again, it uses nothing up
	s.watched(friend.At(s.tower.HTTP()))
	s.wantNotAdmitted(harness.NewUser(s, teos.V2, named), "a second key with the token")
	s.wantNotAdmitted(harness.NewUser(s, teos.V1, namedDoor{url: s.tower.HTTP(), path: in.Path}), "a third, by the path")

	s.isNamed(friend, "a friend", false)
	s.knocksAndIsLetIn(stranger)
	s.isRemoved(friend)
}

func (s *scene) knocksAndIsLetIn(stranger *harness.Client) {
	s.Helper()
	var knocked struct {
		Knocks []struct {
			UserID  string `json:"user_id"`
			Address string
			Times   int
		}
	}
	if info := s.info(); info.Access != "invited" || info.Knocks != 3 {
		s.Errorf("vigil-info says access %q, %d knocks", info.Access, info.Knocks)
	}
	s.ask("knocks", nil, &knocked)
	if len(knocked.Knocks) != 3 || knocked.Knocks[0].UserID != stranger.ID.String() || knocked.Knocks[0].Times != 1 ||
		knocked.Knocks[0].Address != "127.0.0.1" {
		s.Errorf("knocks are %+v", knocked)
	}
	s.ask("allow", map[string]any{"user_id": stranger.ID.String(), "note": "knocked"}, nil)
	if r := s.register(stranger); r.Slots != 10 {
		s.Errorf("who was let in has %d slots", r.Slots)
	}
	s.ask("knocks", nil, &knocked)
	if len(knocked.Knocks) != 2 {
		s.Errorf("knocks are %+v afterwards", knocked)
	}
	s.isNamed(stranger, "knocked", false)
	s.ask("disallow", map[string]any{"user_id": knocked.Knocks[0].UserID}, nil)
	s.ask("disallow", map[string]any{"user_id": stranger.ID.String()}, nil)
	s.isNamed(stranger, "knocked", true)
	if info := s.info(); info.Knocks != 1 {
		s.Errorf("%d knocks are left after one was answered with a no", info.Knocks)
	}
	s.ask("allow", map[string]any{"user_id": stranger.ID.String()}, nil)
	s.isNamed(stranger, "knocked", false)
}

// isNamed wants a user told by the note that its operator wrote.
func (s *scene) isNamed(u *harness.Client, note string, disallowed bool) {
	s.Helper()
	type user struct {
		UserID     string `json:"user_id"`
		Note       string
		Disallowed bool
	}
	var one user
	var all struct{ Users []user }
	s.ask("user", map[string]any{"user": u.ID.String()}, &one)
	s.ask("users", nil, &all)
	if want := (user{u.ID.String(), note, disallowed}); one != want || !slices.Contains(all.Users, want) {
		s.Errorf("the user is %+v, among %+v, want %+v", one, all, want)
	}
}

func (s *scene) isRemoved(friend *harness.Client) {
	s.Helper()
	var removed struct {
		Dropped int `json:"appointments_dropped"`
	}
	s.ask("remove", map[string]any{"user_id": friend.ID.String()}, &removed)
	if removed.Dropped != 1 {
		s.Errorf("removed %+v", removed)
	}
	if info := s.info(); info.Users != 1 || info.Appointments != 0 {
		s.Errorf("afterwards there are %d users, %d appointments", info.Users, info.Appointments)
	}
	s.wantNotAdmitted(friend, "who was removed")
}
