package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is a figure beside its target.
type row struct {
	target  string // its number in the list of targets, empty for what others are held against
	what    string
	figure  string
	aim     string // what is asked for; empty where nothing is
	verdict string
}

// table is what a run has to tell.
type table struct {
	machine []string
	rows    []row
}

func newTable() *table { return &table{machine: machine()} }

// tell adds a figure that has no target.
func (t *table) tell(target, what, figure string, args ...any) {
	t.rows = append(t.rows, row{target: target, what: what, figure: fmt.Sprintf(figure, args...)})
}

// hold adds a figure that has one.
func (t *table) hold(target, what, figure, aim string, met bool) {
	t.judge(target, what, figure, aim, met, true)
}

// judge adds one of which it is known, too, whether a bare tower can meet it.
func (t *table) judge(target, what, figure, aim string, met, can bool) {
	verdict := "NOT MET, nor by a bare tower"
	switch {
	case met:
		verdict = "met"
	case can:
		verdict = "NOT MET"
	}
	t.rows = append(t.rows, row{target, what, figure, aim, verdict})
}

// atMost holds a duration against the longest that is wanted.
func (t *table) atMost(target, what string, took, most time.Duration) {
	t.hold(target, what, short(took), "under "+short(most), took < most)
}

// ratio holds what was used against a multiple of what it is to be compared
// with.
func (t *table) ratio(target, what string, used, floor time.Duration, most float64) {
	t.hold(target, what, times(used, floor), fmt.Sprintf("at most %.1f ×", most), share(used, floor) <= most)
}

// share is how often what it is compared with fits into what was used, and times says so.
func share(used, floor time.Duration) float64 { return float64(used) / float64(floor) }

func times(used, floor time.Duration) string {
	return fmt.Sprintf("%s = %.2f × %s", short(used), share(used, floor), short(floor))
}

// sort puts rows of one target together.
func (t *table) sort() {
	slices.SortStableFunc(t.rows, func(a, b row) int { return strings.Compare(a.target, b.target) })
}

// print shows the table on a terminal.
func (t *table) print() {
	t.sort()
	for _, line := range t.machine {
		fmt.Println(line)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nno.\twhat\tfigure\ttarget\t")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.target, r.what, r.figure, r.aim, r.verdict)
	}
	_ = w.Flush() // a terminal that is gone reads nothing
}

// markdown is the generated section.
func (t *table) markdown() string {
	t.sort()
	var b bytes.Buffer
	for _, line := range t.machine {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	fmt.Fprint(&b, "\n| no. | what | figure | target | |\n|---|---|---|---|---|\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.target, r.what, r.figure, r.aim, r.verdict)
	}
	return b.String()
}

// errNoMarkers says that a document has no place for the table.
var errNoMarkers = errors.New("no markers of the section")

// write puts the table between the markers of a section of the document. What
// people wrote around it stays.
func (t *table) write(path, section string) error {
	doc, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+section+": begin, written by make "+section+" -->\n", "<!-- "+section+": end -->"
	before, rest, found := strings.Cut(string(doc), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s: %w %q", path, errNoMarkers, section)
	}
	return os.WriteFile(path, []byte(before+begin+t.markdown()+end+after), 0o644)
}

// short is a duration in as many digits as it is worth.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

const mib = 1 << 20
