package operator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// table is objects as rows, under the names of their fields.
type table struct {
	heads  []string
	cells  [][]string
	right  []bool
	widths []int
}

// table writes objects as a table, or nothing where it would not fit or where they
// hold objects themselves.
func (p *page) table(rows []object, indent int) bool {
	t := &table{}
	for _, o := range rows {
		if slices.ContainsFunc(o, func(f field) bool { return nested(f.value) }) {
			return false
		}
		t.add(o, p)
	}
	t.measure()
	if room := p.width - indent; p.width > 0 && t.width() > room {
		t.shorten()
		if !t.narrow(t.width() - room) {
			return false
		}
	}
	t.write(&p.b, indent)
	return true
}

func (t *table) add(o object, p *page) {
	row := make([]string, len(t.heads), len(t.heads)+len(o))
	for _, f := range o {
		i := slices.Index(t.heads, f.name)
		if i < 0 {
			i = len(t.heads)
			t.heads, t.right, row = append(t.heads, f.name), append(t.right, true), append(row, "")
		}
		if _, number := f.value.(json.Number); !number {
			t.right[i] = false
		}
		row[i] = cell(f, p)
	}
	t.cells = append(t.cells, row)
}

// cell is a value in short: of times, no more than when.
func cell(f field, p *page) string {
	if at, ok := timeOf(f.value); ok {
		return at.Format("2006-01-02 15:04")
	}
	values, several := f.value.([]any)
	if !several {
		return plain(f.name, f.value, p.now)
	}
	var words []string
	for _, v := range values {
		words = append(words, plain(f.name, v, p.now))
	}
	return strings.Join(words, ", ")
}

// measure fills what is absent, too.
func (t *table) measure() {
	t.widths = make([]int, len(t.heads))
	for i, head := range t.heads {
		t.widths[i] = utf8.RuneCountInString(head)
	}
	for n, row := range t.cells {
		row = append(row, make([]string, len(t.heads)-len(row))...)
		for i, text := range row {
			if text == "" {
				row[i] = "-"
			}
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(row[i]))
		}
		t.cells[n] = row
	}
}

const (
	// longID is from how many hex digits on an id is shortened, to idHead
	// digits and what tells that more belong to it.
	longID = 32
	idHead = 10
)

func (t *table) shorten() {
	for _, row := range t.cells {
		for i, text := range row {
			if len(text) >= longID && strings.Trim(text, "0123456789abcdef") == "" {
				row[i] = text[:idHead] + "…"
			}
		}
	}
	t.measure()
}

// narrow breaks the lines of the column of words that is the widest, where a table
// is too wide by so much. It fails where too little would be left of it.
func (t *table) narrow(excess int) bool {
	if excess <= 0 {
		return true
	}
	widest := 0
	for i, w := range t.widths {
		if w > t.widths[widest] {
			widest = i
		}
	}
	room := t.widths[widest] - excess
	if room < leastColumn {
		return false
	}
	for _, row := range t.cells {
		row[widest] = broken(row[widest], room)
		for line := range strings.Lines(row[widest]) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > room {
				return false
			}
		}
	}
	t.widths[widest] = room
	return true
}

// leastColumn is how wide a column is at least whose lines are broken.
const leastColumn = 24

// broken puts words on lines.
func broken(text string, width int) string {
	p := page{width: max(width, leastRoom)}
	p.paragraph(text, 0)
	return strings.TrimSuffix(p.b.String(), "\n")
}

func (t *table) width() (n int) {
	for _, w := range t.widths {
		n += w + 2
	}
	return n - 2
}

func (t *table) write(b *strings.Builder, indent int) {
	for _, row := range append([][]string{t.heads}, t.cells...) {
		for line := 0; t.line(b, row, line, indent); line++ {
		}
	}
}

// line writes the n-th line of a row; it fails where the row has fewer.
func (t *table) line(b *strings.Builder, row []string, n, indent int) bool {
	var out strings.Builder
	some := false
	for i, text := range row {
		lines := strings.Split(text, "\n")
		text = ""
		if n < len(lines) {
			text, some = lines[n], true
		}
		if t.right[i] {
			fmt.Fprintf(&out, "%*s  ", t.widths[i], text)
		} else {
			fmt.Fprintf(&out, "%-*s  ", t.widths[i], text)
		}
	}
	if some {
		fmt.Fprintf(b, "%*s%s\n", indent, "", strings.TrimRight(out.String(), " "))
	}
	return some
}
