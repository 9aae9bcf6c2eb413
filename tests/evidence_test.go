package tests

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"vigil/tests/harness"
)

// verdict is what `vigil verify` prints.
type verdict struct {
	OK        bool `json:"ok"`
	Documents []struct {
		Kind   string `json:"kind"`
		OK     bool   `json:"ok"`
		Checks []struct {
			Check  string `json:"check"`
			Result string `json:"result"`
			Says   string `json:"says"`
		} `json:"checks"`
	} `json:"documents"`
}

// results are the checks that came out in a way.
func (v verdict) results(result string) (checks []string) {
	for _, c := range v.Documents[0].Checks {
		if c.Result == result {
			checks = append(checks, c.Check)
		}
	}
	slices.Sort(checks)
	return checks
}

// verify asks the shell, with no tower at hand; it fails where the document does.
func (s *scene) verify(document any) (v verdict) {
	s.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		s.Fatal(err)
	}
	file := filepath.Join(s.TempDir(), "document.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		s.Fatal(err)
	}
	out, err := exec.CommandContext(s.Context(), harness.Vigil(s), "verify", file, "--json").Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Fatal(err)
	}
	if err := json.Unmarshal(out, &v); err != nil || len(v.Documents) != 1 {
		s.Fatalf("vigil verify prints %v: %s", err, out)
	}
	if v.OK != (exit == nil) {
		s.Fatalf("ok is %t, and vigil verify ends with %v", v.OK, exit)
	}
	return v
}

// proven demands evidence of a breach that was punished, which anybody can check,
// and that what was changed in it shows where it was changed.
func (s *scene) proven(b breach) {
	s.Helper()
	var shown struct {
		Evidence []map[string]any `json:"evidence"`
	}
	err := s.tower.Ask(s.Context(), "breach", map[string]any{"locator": b.appointment.Locator.String()}, &shown)
	if err != nil || len(shown.Evidence) != 1 {
		s.Fatalf("vigil-breach: %v, %v", err, shown)
	}
	evidence := shown.Evidence[0]
	if evidence["penalty_tx"] != harness.TxHex(b.penalty) || evidence["dispute_tx"] != harness.TxHex(b.dispute) {
		s.Errorf("the evidence has other transactions: %v", evidence)
	}
	var kinds []string
	history, _ := evidence["history"].([]any)
	for _, e := range history {
		kinds = append(kinds, e.(map[string]any)["kind"].(string))
	}
	if got := strings.Join(kinds, " "); got != "found accepted confirmed resolved" {
		s.Errorf("its history is %s", got)
	}
	want := []string{"blob", "dispute_tx", "locator", "outcome", "penalty_scripts", "penalty_spends_dispute",
		"penalty_tx", "tower_signature", "user_signature"}
	v := s.verify(shown)
	if !v.OK || !slices.Equal(v.results("ok"), want) || len(v.Documents[0].Checks) != len(want) {
		s.Fatalf("the evidence: %+v", v)
	}
	evidence["start_block"] = 1
	if v := s.verify(evidence); v.OK || !slices.Equal(v.results("not ok"), []string{"tower_signature"}) {
		s.Errorf("with another start block: %+v", v)
	}
}

// told demands that the tower has notified other plugins on each of some topics
// once, where there are any to notify.
func (s *scene) told(topics ...string) {
	s.Helper()
	loaded, ok := s.tower.RPC().(interface {
		Notified(topic string) []json.RawMessage
	})
	if !ok {
		return // nobody listens
	}
	for _, topic := range topics {
		harness.Until(s, "the notification "+topic, func() bool { return len(loaded.Notified(topic)) > 0 })
		if all := loaded.Notified(topic); len(all) != 1 || !strings.Contains(string(all[0]), `"kind":"`) {
			s.Errorf("%s: %s", topic, all)
		}
	}
}
