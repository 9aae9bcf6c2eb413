package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// Where alarms, dashboard and their description are.
const (
	rulesFile     = "../contrib/prometheus/vigil.rules.yml"
	rulesTests    = "../contrib/prometheus/vigil.rules_test.yml"
	dashboardFile = "../contrib/grafana/vigil.json"
	watchingPage  = "../docs/watching.md"
)

func fileText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// promtool runs Prometheus' own check, where this machine has it.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skipf("NOT RUN here: no promtool on PATH (Debian: apt-get install prometheus): %v", err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

// TestTheAlarms: they are well formed, and are raised when they should be.
func TestTheAlarms(t *testing.T) {
	promtool(t, "check", "rules", rulesFile)
	promtool(t, "test", "rules", rulesTests)
}

func submatches(text, pattern string) []string {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// TestEachAlarmIsTestedAndExplained: what raises it, and what to do.
func TestEachAlarmIsTestedAndExplained(t *testing.T) {
	rules, page := fileText(t, rulesFile), fileText(t, watchingPage)
	alarms := submatches(rules, `- alert: (\w+)`)
	if tested := submatches(fileText(t, rulesTests), `alertname="(\w+)"`); !slices.Equal(alarms, tested) {
		t.Errorf("alarms: %v\nraised in tests: %v", alarms, tested)
	}
	_, advice, _ := strings.Cut(page, "\n**What to do**\n")
	for what, pattern := range map[string]string{"listed": "(?m)^\\| `(Vigil\\w+)` \\|", "advised on": `\*\*(Vigil\w+)\*\*`} {
		text := page
		if what == "advised on" {
			text = advice
		}
		if got := submatches(text, pattern); !slices.Equal(alarms, got) {
			t.Errorf("alarms: %v\n%s: %v", alarms, what, got)
		}
	}
	for _, part := range []string{"severity:", "summary:", "description:", "runbook:"} {
		if n := strings.Count(rules, part); n != len(alarms) {
			t.Errorf("%d alarms, and %d of %s", len(alarms), n, part)
		}
	}
}

// expressions are all that a dashboard asks Prometheus for.
func expressions(value any) (list []string) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if text, ok := inner.(string); ok && key == "expr" {
				list = append(list, text)
			}
			list = append(list, expressions(inner)...)
		}
	case []any:
		for _, inner := range v {
			list = append(list, expressions(inner)...)
		}
	}
	return list
}

func dashboard(t *testing.T) []string {
	t.Helper()
	var document any
	if err := json.Unmarshal([]byte(fileText(t, dashboardFile)), &document); err != nil {
		t.Fatal(err)
	}
	list := expressions(document)
	if len(list) < 20 {
		t.Fatalf("the dashboard asks for %d things only", len(list))
	}
	return list
}

// TestTheDashboardAsksWhatPrometheusUnderstands, with Grafana's variables filled in.
func TestTheDashboardAsksWhatPrometheusUnderstands(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, expr := range dashboard(t) {
		expr = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(expr)
		fmt.Fprintf(&rules, "      - {record: 'panel:%d', expr: %q}\n", i, expr)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

// exported are the names and types of what a tower counts that has seen all that is
// counted: requests, blocks, and a penalty that is refused.
func exported(t *testing.T) map[string]string {
	t.Helper()
	t.Parallel()
	s := newScene(t, harness.Variants()[1], nil)
	s.refuse(s.watched(s.user(teos.V2)))
	admin := harness.Admin(s, s.tower)
	s.measured(admin, map[string]float64{`vigil_breaches{state="refused"}`: 1})
	_, body, err := admin.Get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)$`).FindAllStringSubmatch(body, -1) {
		types[m[1]] = m[2]
	}
	return types
}

// TestMetricsAreWhatIsSaidOfThem: each that an alarm, the dashboard or the docs name
// is exported, and each that is exported is described.
func TestMetricsAreWhatIsSaidOfThem(t *testing.T) {
	types := exported(t)
	base := func(name string) string {
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if whole, ok := strings.CutSuffix(name, part); ok && types[whole] == "histogram" {
				return whole
			}
		}
		return name
	}
	for _, file := range []struct{ name, text string }{
		{rulesFile, fileText(t, rulesFile)}, {dashboardFile, strings.Join(dashboard(t), "\n")}, {rulesTests, fileText(t, rulesTests)},
	} {
		for _, name := range submatches(file.text, `\b((?:vigil|process|go)_[a-z_]+)`) {
			if types[base(name)] == "" {
				t.Errorf("%s asks for %s, which no tower exports", file.name, name)
			}
		}
	}
	var described []string
	for line := range strings.Lines(fileText(t, watchingPage)) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| `vigil_") {
			described = append(described, submatches(cells[1], "`(vigil_[a-z_]+)`")...)
		}
	}
	slices.Sort(described)
	var ours []string
	for name := range types {
		if strings.HasPrefix(name, "vigil_") {
			ours = append(ours, name)
		}
	}
	slices.Sort(ours)
	if !slices.Equal(described, ours) {
		t.Errorf("described: %v\nexported: %v", described, ours)
	}
}
