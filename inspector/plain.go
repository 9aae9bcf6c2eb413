package inspector

import (
	"bytes"
	"strings"
)

// Requests are plain as a rule: no string has an escape or anything but ASCII,
// numbers are integers, and there are no arrays. Such a body is parsed here,
// in one pass where encoding/json needs six; it is the dearest part of a
// request besides its signature. Whatever is not plain, or not even JSON, is
// left to encoding/json, so that nothing but the speed depends on this file.

// maxPlainDepth is how deep objects may be nested.
const maxPlainDepth = 2

// plain is what is left of a body.
type plain struct{ rest []byte }

// parsePlain parses a body that is a plain object; not ok says nothing of any
// other.
func parsePlain(body []byte) (o object, ok bool) {
	p := plain{body}
	o, ok = p.object(make(object, 0, 3), maxPlainDepth)
	p.space()
	return o, ok && len(p.rest) == 0
}

// space skips what may stand between tokens.
func (p *plain) space() {
	for len(p.rest) > 0 && strings.IndexByte(" \t\r\n", p.rest[0]) >= 0 {
		p.rest = p.rest[1:]
	}
}

// token takes a character if it is the next.
func (p *plain) token(c byte) bool {
	p.space()
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// object takes an object and appends its fields.
func (p *plain) object(o object, depth int) (_ object, ok bool) {
	if depth == 0 || !p.token('{') {
		return nil, false
	}
	if p.token('}') {
		return o, true
	}
	for {
		f, ok := p.field(depth)
		if !ok {
			return nil, false
		}
		o = append(o, f)
		if !p.token(',') {
			return o, p.token('}')
		}
	}
}

func (p *plain) field(depth int) (f field, ok bool) {
	p.space()
	name, ok := p.text()
	if !ok || !p.token(':') {
		return f, false
	}
	p.space()
	begin := p.rest
	if !p.value(depth) {
		return f, false
	}
	return field{name, begin[:len(begin)-len(p.rest)]}, true
}

// value skips a value.
func (p *plain) value(depth int) (ok bool) {
	if len(p.rest) == 0 {
		return false
	}
	switch p.rest[0] {
	case '"':
		_, ok = p.text()
	case '{':
		_, ok = p.object(nil, depth-1)
	case 'n':
		p.rest, ok = bytes.CutPrefix(p.rest, []byte("null"))
	default:
		ok = p.integer()
	}
	return ok
}

// text takes a string and returns what is between its quotes.
func (p *plain) text() (text []byte, ok bool) {
	if len(p.rest) == 0 || p.rest[0] != '"' {
		return nil, false
	}
	for i, c := range p.rest[1:] {
		switch {
		case c == '"':
			text, p.rest = p.rest[1:1+i], p.rest[i+2:]
			return text, true
		case !plainCharacter(c):
			return nil, false
		}
	}
	return nil, false
}

// plainCharacter tells whether c stands for itself in a string.
func plainCharacter(c byte) bool { return c >= ' ' && c < 0x7f && c != '\\' }

// plainText returns what is between the quotes of a string that is plain.
func plainText(value []byte) (text []byte, ok bool) {
	p := plain{value}
	text, ok = p.text()
	return text, ok && len(p.rest) == 0
}

// integer skips a whole number without a sign.
func (p *plain) integer() bool {
	n := 0
	for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
		n++
	}
	if n == 0 || n > 1 && p.rest[0] == '0' {
		return false
	}
	p.rest = p.rest[n:]
	return true
}
