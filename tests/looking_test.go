package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// selfTest is what vigil-selftest answers.
type selfTest struct {
	OK     bool
	Stages []struct {
		Stage, Detail string
		OK            bool
		ToDo          string `json:"to_do"`
	}
}

// stages are those of an appointment's whole way.
var stages = []string{"store", "registration", "appointment", "receipt", "question", "matching", "penalty", "api", "chain", "mempool", "clean-up"}

func (s *scene) wantAllStages(got selfTest) {
	s.Helper()
	var names []string
	for _, stage := range got.Stages {
		names = append(names, stage.Stage)
		if !stage.OK || stage.Detail == "" || stage.ToDo != "" {
			s.Errorf("a stage of a good tower: %+v", stage)
		}
	}
	if !got.OK || strings.Join(names, " ") != strings.Join(stages, " ") {
		s.Errorf("the self-test went through %v, ok: %v", names, got.OK)
	}
}

type userLine struct {
	UserID       string `json:"user_id"`
	State        string
	Appointments int
	Filled       int `json:"filled_slots"`
}

type listing struct {
	Appointments []struct {
		Locator, State string
		UserID         string `json:"user_id"`
		Size           int    `json:"size_bytes"`
	}
	Next int64
}

// TestLookingThroughTheNode: what lightning-cli shows of what is stored.
func TestLookingThroughTheNode(t *testing.T) {
	s, node := inStandIn(t, nil)
	user, other := s.user(teos.V2), s.user(teos.V1)
	first, second := s.watched(user), s.watched(user)
	s.watched(other)
	s.settle()
	var test selfTest
	s.callNode(node, "vigil-selftest", nil, &test)
	s.wantAllStages(test)
	if info := s.info(); info.Users != 2 || info.Appointments != 3 {
		s.Errorf("after a self-test: %+v", info)
	}

	var page listing
	s.callNode(node, "vigil-appointments", []any{user.ID.String(), 1}, &page)
	if len(page.Appointments) != 1 || page.Next == 0 || page.Appointments[0].Locator != first.appointment.Locator.String() ||
		page.Appointments[0].UserID != user.ID.String() || page.Appointments[0].Size != len(first.appointment.EncryptedBlob) {
		s.Errorf("the first page: %+v", page)
	}
	after := page.Next
	page = listing{}
	s.callNode(node, "vigil-appointments", map[string]any{"of": user.ID.String(), "after": after}, &page)
	if len(page.Appointments) != 1 || page.Next != 0 || page.Appointments[0].Locator != second.appointment.Locator.String() {
		s.Errorf("the last page: %+v", page)
	}
	var users struct {
		Users []userLine
		Next  int64
	}
	s.callNode(node, "vigil-users", map[string]any{"limit": 1}, &users)
	if want := (userLine{user.ID.String(), "active", 2, 2}); len(users.Users) != 1 || users.Users[0] != want || users.Next == 0 {
		s.Errorf("vigil-users: %+v, want %+v and a next page", users, want)
	}
	var line userLine
	s.callNode(node, "vigil-user", []any{other.ID.String()}, &line)
	if want := (userLine{other.ID.String(), "active", 1, 1}); line != want {
		s.Errorf("vigil-user: %+v, want %+v", line, want)
	}
	s.cheat(second)
	s.answered(second)
	page = listing{}
	s.callNode(node, "vigil-appointments", []any{second.appointment.Locator.String()}, &page)
	if len(page.Appointments) != 1 || page.Appointments[0].State != "triggered" {
		s.Errorf("during a breach: %+v", page)
	}
	var refused *harness.RPCError
	for _, of := range []string{"02", s.stranger().String()} {
		for _, method := range []string{"vigil-appointments", "vigil-user"} {
			if err := node.Call(s.Context(), method, []any{of}, nil); !errors.As(err, &refused) {
				s.Errorf("%s %s: %v", method, of, err)
			}
		}
	}
}

// stranger is a key that nobody registered.
func (s *scene) stranger() teos.UserID {
	return harness.NewUser(s, teos.V2, s.tower.HTTP()).ID
}

func (s *scene) callNode(node harness.Lightningd, method string, params, result any) {
	s.Helper()
	if params == nil {
		params = map[string]any{}
	}
	if err := node.Call(s.Context(), method, params, result); err != nil {
		s.Fatalf("%s: %v", method, err)
	}
}

// TestLookingFromTheShell: text for people, the same as JSON for programs, and an
// exit status for both.
func TestLookingFromTheShell(t *testing.T) {
	t.Parallel()
	node := harness.StartNode(t, harness.Btcd())
	node.MineTo(firstHeight)
	dir := harness.Dir(t)
	solo := harness.NewSolo(t, node, harness.Vigil(t), dir, nil)
	solo.Launch()
	s := &scene{T: t, node: node, tower: solo}
	harness.Until(t, "the tower to listen", func() bool { return solo.HTTP().Ping(t.Context()) })
	vigil := func(want error, args ...string) string {
		t.Helper()
		return s.shell(want, append(args, "--data-dir", dir)...)
	}
	user := s.user(teos.V2)
	b := s.watched(user)
	s.settle()

	text := vigil(nil, "info")
	if !strings.HasPrefix(text, "Guarding: yes. 1 appointment of 1 user") || !strings.Contains(text, "\nusers               1\n") {
		s.Errorf("vigil info prints\n%s", text)
	}
	if text := vigil(nil, "appointments", user.ID.String()); !strings.Contains(text, b.appointment.Locator.String()) {
		s.Errorf("vigil appointments prints\n%s", text)
	}
	var test selfTest
	if err := json.Unmarshal([]byte(vigil(nil, "selftest", "--json")), &test); err != nil {
		s.Fatal(err)
	}
	s.wantAllStages(test)
	node.Stop()
	failed := vigil(errStatus, "selftest")
	node.Start()
	if !strings.Contains(failed, "chain         no") || !strings.Contains(failed, "matching      yes") || !strings.Contains(failed, "clean-up      yes") {
		s.Errorf("without a backend vigil selftest prints\n%s", failed)
	}
	if info := s.info(); info.Users != 1 || info.Appointments != 1 {
		s.Errorf("after self-tests: %+v", info)
	}
	vigil(errStatus, "appointments", "nonsense")
}

// errStatus stands for an exit status of 1 with a reason on standard error.
var errStatus = errors.New("exit status 1")

// shell runs `vigil` on the tower's directory and returns what it prints.
func (s *scene) shell(want error, args ...string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), harness.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Vigil(s), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if want == nil && (err != nil || stderr.Len() > 0) ||
		want != nil && (err == nil || err.Error() != want.Error() || !strings.HasPrefix(stderr.String(), "vigil: ")) {
		s.Errorf("vigil %v: %v, %s", args, err, stderr.Bytes())
	}
	return stdout.String()
}
