package cln

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// member is one key of a JSON object and its value, both as they stand in the
// text; the key without its quotes.
type member struct{ key, value []byte }

// members lists the members of an object in their order. It is lenient: text
// that is broken or cut off gives the members before the fault, since a
// request must be answered even where its parameters cannot be parsed.
func members(object []byte) []member {
	var list []member
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(object, " \t\r\n"), []byte("{"))
	for ok {
		var m member
		if m.key, rest = cutValue(rest); len(m.key) < 2 || m.key[0] != '"' {
			break
		}
		if rest, ok = cutByte(rest, ':'); !ok {
			break
		}
		if m.value, rest = cutValue(rest); len(m.value) == 0 {
			break
		}
		m.key = m.key[1 : len(m.key)-1]
		list = append(list, m)
		rest, ok = cutByte(rest, ',')
	}
	return list
}

// cutValue splits text after its first JSON value, which is empty where none
// ends inside the text.
func cutValue(text []byte) (value, rest []byte) {
	text = bytes.TrimLeft(text, " \t\r\n")
	var n nesting
	for i := 0; i < len(text); i++ {
		if i += n.plain(text[i:]); i == len(text) {
			break
		}
		c := text[i]
		if n.depth == 0 && !n.inString && (isSpace(c) || strings.IndexByte(",:]}", c) >= 0) {
			return text[:i], text[i:]
		}
		n.step(c)
		if n.depth == 0 && !n.inString && (c == '"' || c == '}' || c == ']') {
			return text[:i+1], text[i+1:]
		}
	}
	return nil, nil
}

func cutByte(text []byte, c byte) (rest []byte, ok bool) {
	return bytes.CutPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte{c})
}

// find returns the value of the first member with that key, as lightningd
// does. encoding/json would take the last one, and ignore its case: then the
// two would disagree on which method or id a request names.
func find(list []member, key string) []byte {
	for _, m := range list {
		if string(m.key) == key {
			return m.value
		}
	}
	return nil
}

// message is one request or notification of lightningd.
type message struct {
	id     []byte // as it came; nil for a notification
	method string
	params json.RawMessage // an array or an object
}

// parseMessage reads a frame. On a fault the message holds what was readable;
// its id is "null" where a request's own cannot be repeated.
func parseMessage(f frame) (message, *Error) {
	if f.text[0] != '{' {
		return message{id: []byte("null")}, &Error{Code: CodeInvalidRequest, Message: "batches are not supported"}
	}
	list := members(f.text)
	m := message{id: find(list, "id")}
	if !repeatable(m.id) {
		m.id = []byte("null")
	}
	_ = json.Unmarshal(find(list, "method"), &m.method) // "" where it is no string
	switch {
	case f.over:
		return m, &Error{Code: CodeInvalidRequest, Message: "the request is too large: at most 4 MiB"}
	case !json.Valid(f.text) || !utf8.Valid(f.text):
		return m, &Error{Code: CodeParse, Message: "the request is not valid JSON, or too deep"}
	case m.method == "":
		return m, &Error{Code: CodeInvalidRequest, Message: "the request names no method"}
	}
	var fault *Error
	m.params, fault = checkParams(find(list, "params"))
	return m, fault
}

// repeatable says whether an id may stand in an answer.
func repeatable(id []byte) bool {
	return id == nil || id[0] != '{' && id[0] != '[' && json.Valid(id)
}

// checkParams accepts an array or an object without repeated keys: rules on
// parameters (lightningd's runes) look at the first, Go's decoder at the last.
// Absent parameters become an empty array.
func checkParams(params []byte) (json.RawMessage, *Error) {
	if params == nil || string(params) == "null" {
		return json.RawMessage("[]"), nil
	}
	if params[0] != '[' && params[0] != '{' {
		return nil, &Error{Code: CodeInvalidParams, Message: "params must be an array or an object"}
	}
	seen := map[string]bool{}
	for _, m := range members(params) {
		name := m.name()
		if seen[name] {
			return nil, &Error{Code: CodeInvalidParams, Message: "a parameter is given twice: " + cut(name, 64)}
		}
		seen[name] = true
	}
	return params, nil
}

// name is the key as encoding/json compares it with a field's: decoded and
// without its case.
func (m member) name() string {
	var name string
	if json.Unmarshal([]byte(`"`+string(m.key)+`"`), &name) != nil {
		return string(m.key)
	}
	return strings.ToLower(strings.ToUpper(name))
}

// marshal encodes v without escaping <, > and &: lightning-cli shows them.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// answer joins an id and a body ("result":… or "error":…) into an answer.
func answer(id, body []byte) []byte {
	return bytes.Join([][]byte{[]byte(`{"jsonrpc":"2.0","id":`), id, []byte(","), body, []byte("}\n\n")}, nil)
}
