package operator

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Text shows an answer to a person: what lightning-cli prints as JSON, in the
// same order and under the same names, aligned. Nothing is left out but what is
// absent, and nothing is shortened: what is shown is there to be copied. Lists of
// objects become tables where these fit into a width, in characters. A width of 0
// has no end: that is for what goes to a file or to another program.
func (m Method) Text(document []byte, width int, now time.Time) (string, error) {
	parsed, err := parseDocument(document)
	if err != nil {
		return "", fmt.Errorf("%s: the answer can't be shown: %w", m.Name, err)
	}
	p := &page{width: width, now: now}
	if m.Lead != nil {
		p.paragraph(m.Lead(document), 0)
		p.b.WriteString("\n")
	}
	p.show(parsed, 0)
	return p.b.String(), nil
}

// page is a text that is being written.
type page struct {
	b     strings.Builder
	width int
	now   time.Time
}

func (p *page) show(value any, indent int) {
	switch v := value.(type) {
	case object:
		p.object(v, indent)
	case []any:
		p.list(v, indent)
	default:
		p.paragraph(plain("", v, p.now), indent)
	}
}

// object is a line for each field that has one value, and a block for each that
// holds objects.
func (p *page) object(o object, indent int) {
	column := 0
	for _, f := range o {
		if !nested(f.value) {
			column = max(column, utf8.RuneCountInString(f.name)+2)
		}
	}
	for _, f := range o {
		if nested(f.value) {
			fmt.Fprintf(&p.b, "%*s%s:\n", indent, "", f.name)
			p.show(f.value, indent+2)
			continue
		}
		p.field(f, indent, column)
	}
}

// field is a name with its value, or with its values one below the other.
func (p *page) field(f field, indent, column int) {
	values, several := f.value.([]any)
	if !several {
		values = []any{f.value}
	}
	if len(values) == 0 {
		values = []any{"none"}
	}
	name := f.name
	for _, v := range values {
		fmt.Fprintf(&p.b, "%*s%-*s", indent, "", column, name)
		p.paragraph(plain(f.name, v, p.now), indent+column)
		name = ""
	}
}

// paragraph goes on where the line is, and breaks it between words; the lines
// after the first are indented.
func (p *page) paragraph(text string, indent int) {
	room := p.width - indent
	line := 0
	for i, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case p.width > 0 && line+1+n > max(room, leastRoom):
			fmt.Fprintf(&p.b, "\n%*s", indent, "")
			line = 0
		default:
			p.b.WriteString(" ")
			line++
		}
		p.b.WriteString(word)
		line += n
	}
	p.b.WriteString("\n")
}

// leastRoom is how wide a paragraph is at least, however narrow the page.
const leastRoom = 20

func (p *page) list(values []any, indent int) {
	var rows []object
	for _, v := range values {
		if o, ok := v.(object); ok {
			rows = append(rows, o)
		}
	}
	if len(rows) != len(values) { // lists of lists: no method has any
		for _, v := range values {
			p.show(v, indent)
		}
		return
	}
	if p.table(rows, indent) {
		return
	}
	for i, o := range rows {
		if i > 0 {
			p.b.WriteString("\n")
		}
		p.object(o, indent)
	}
}

// nested tells whether a value takes a block of its own.
func nested(value any) bool {
	switch v := value.(type) {
	case object:
		return len(v) > 0
	case []any:
		for _, e := range v {
			switch e.(type) {
			case object, []any:
				return true
			}
		}
	}
	return false
}
