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
	if excess := t.width() - (p.width - indent); p.width > 0 && excess > 0 && !t.narrow(excess) {
		return false
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

// narrow breaks the lines of the widest column of words that can be, where a table
// is too wide by so much. It fails where there is none: what must be copied, such
// as a key, is never broken.
func (t *table) narrow(excess int) bool {
	best := -1
	for i, w := range t.widths {
		if w-excess >= max(leastColumn, t.longestWord(i)) && (best < 0 || w > t.widths[best]) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	t.widths[best] -= excess
	for _, row := range t.cells {
		row[best] = broken(row[best], t.widths[best])
	}
	return true
}

// longestWord is how wide a column's longest word is.
func (t *table) longestWord(column int) (n int) {
	for _, row := range t.cells {
		for word := range strings.FieldsSeq(row[column]) {
			n = max(n, utf8.RuneCountInString(word))
		}
	}
	return max(n, utf8.RuneCountInString(t.heads[column]))
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
