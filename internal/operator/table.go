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
	if p.width > 0 && t.width()+indent > p.width {
		t.shorten()
		if t.width()+indent > p.width {
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

func (t *table) width() (n int) {
	for _, w := range t.widths {
		n += w + 2
	}
	return n - 2
}

func (t *table) write(b *strings.Builder, indent int) {
	for _, row := range append([][]string{t.heads}, t.cells...) {
		var line strings.Builder
		for i, text := range row {
			if t.right[i] {
				fmt.Fprintf(&line, "%*s  ", t.widths[i], text)
			} else {
				fmt.Fprintf(&line, "%-*s  ", t.widths[i], text)
			}
		}
		fmt.Fprintf(b, "%*s%s\n", indent, "", strings.TrimRight(line.String(), " "))
	}
}
