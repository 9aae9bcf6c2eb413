package cln

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// frames reads all of text; garbage shows as "GARBAGE", an outline as "OVER …".
func frames(t *testing.T, r io.Reader, limit int) (list []string, end error) {
	t.Helper()
	f := newFrameReader(r, limit)
	for {
		got, err := f.next()
		switch {
		case errors.Is(err, errGarbage):
			list = append(list, "GARBAGE")
		case err != nil:
			return list, err
		case got.over:
			list = append(list, "OVER "+string(got.text))
		default:
			list = append(list, string(got.text))
		}
	}
}

func TestFrameReader(t *testing.T) {
	tests := []struct {
		text string
		want []string
		end  error
	}{
		{"", nil, io.EOF},
		{" \n\n\t\r\n", nil, io.EOF},
		{"{}", []string{"{}"}, io.EOF},
		{"{}{}\n\n[1]", []string{"{}", "{}", "[1]"}, io.EOF},
		{"{\"a\":\n\n1}\n\n", []string{"{\"a\":\n\n1}"}, io.EOF},
		{`{"a}\"}":"]\\"}{}`, []string{`{"a}\"}":"]\\"}`, "{}"}, io.EOF},
		{"abc\n{}", []string{"GARBAGE", "{}"}, io.EOF},
		{"}{}", []string{"GARBAGE", "{}"}, io.EOF},
		{"1,[2]\n{}", []string{"GARBAGE", "{}"}, io.EOF},
		{"abc", []string{"GARBAGE"}, io.EOF},
		{`{"a":`, nil, io.ErrUnexpectedEOF},
		{`{}{"`, []string{"{}"}, io.ErrUnexpectedEOF},
		{`{"p":["0123456789012345678901234567"],"id":7}`, []string{`{"p":["0123456789012345678901234567"],"id":7}`}, io.EOF},
		{`{"p":[{"id":1},"01234567890123456789"],"id":77}{}`, []string{`OVER {"p":[],"id":77}`, "{}"}, io.EOF},
	}
	const limit = 45
	for _, tt := range tests {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(tt.text), "bytes": iotest.OneByteReader(strings.NewReader(tt.text)),
		} {
			got, end := frames(t, r, limit)
			if strings.Join(got, "|") != strings.Join(tt.want, "|") || end != tt.end {
				t.Errorf("%s of %q: %q, %v; want %q, %v", name, tt.text, got, end, tt.want, tt.end)
			}
		}
	}
}

func TestOutlineIsBounded(t *testing.T) {
	text := `{"id":"` + strings.Repeat("i", 2*maxOutline) + `","n":1}`
	f, err := newFrameReader(strings.NewReader(text), 100).next()
	if err != nil || !f.over || len(f.text) != maxOutline {
		t.Fatalf("%d bytes, over %v, %v", len(f.text), f.over, err)
	}
	if id := find(members(f.text), "id"); id != nil {
		t.Errorf("an id that was cut is used: %.40s", id)
	}
}

func TestMembers(t *testing.T) {
	tests := []struct{ object, want string }{
		{`{}`, ``},
		{`[]`, ``},
		{`{"a":1,"b" : "x,}" , "c":[{"d":2}], "e":null}`, `a=1 b="x,}" c=[{"d":2}] e=null `},
		{`{"a":1,"a":2}`, `a=1 a=2 `},
		{`{"a":1,"b":"cut`, `a=1 `},
		{`{"a":1,"b":2`, `a=1 `},
		{`{"a":1 "b":2}`, `a=1 `},
		{`{"a":1,}`, `a=1 `},
		{`{"a":,"b":2}`, ``},
		{`{a:1}`, ``},
		{`{"a\"b":1}`, `a\"b=1 `},
	}
	for _, tt := range tests {
		got := ""
		for _, m := range members([]byte(tt.object)) {
			got += string(m.key) + "=" + string(m.value) + " "
		}
		if got != tt.want {
			t.Errorf("members of %s: %s; want %s", tt.object, got, tt.want)
		}
	}
}

// FuzzFrameReader: any bytes end; what is valid JSON comes out unchanged
// however the stream is cut; nothing is larger than its limit.
func FuzzFrameReader(f *testing.F) {
	for _, seed := range []string{
		"", `{"jsonrpc":"2.0","id":"a","method":"m","params":[]}` + "\n\n", `x{"a":"}\""}[`, `[[{}]]{`, "{\"\n\n\":1}", `{"id":1,"p":["` + strings.Repeat("x", 300) + `"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		const limit = 256
		whole, end := frames(t, bytes.NewReader(text), limit)
		split, endSplit := frames(t, iotest.OneByteReader(bytes.NewReader(text)), limit)
		if strings.Join(whole, "|") != strings.Join(split, "|") || end != endSplit {
			t.Fatalf("whole %q, %v; byte by byte %q, %v", whole, end, split, endSplit)
		}
		for _, one := range whole {
			if !strings.HasPrefix(one, "OVER ") && len(one) > limit {
				t.Fatalf("frame of %d bytes", len(one))
			}
		}
		object := bytes.TrimSpace(text)
		if len(object) > 0 && len(object) <= limit && (object[0] == '{' || object[0] == '[') && json.Valid(object) {
			if len(whole) != 1 || whole[0] != string(object) || end != io.EOF {
				t.Fatalf("valid text %q came out as %q, %v", object, whole, end)
			}
		}
	})
}

// FuzzMessage: parsing never panics; a message without fault has usable
// parameters, and any id can be repeated in an answer that is valid JSON.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":"a","method":"m","params":[1]}`, `{"id":{},"method":"m"}`, `{"id":"\x","method":"m","params":{"a":1,"A":2}}`, `[{}]`, `{"id":1`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, over bool) {
		one, err := newFrameReader(bytes.NewReader(text), 1<<20).next()
		if err != nil {
			return
		}
		one.over = over
		m, fault := parseMessage(one)
		if fault == nil && (m.method == "" || !json.Valid(m.params) || m.params[0] != '[' && m.params[0] != '{') {
			t.Fatalf("accepted method %q, params %q", m.method, m.params)
		}
		if m.id != nil && !json.Valid(answer(m.id, []byte(`"result":{}`))) {
			t.Fatalf("id %q makes a bad answer", m.id)
		}
		if fault == nil {
			splitCheck(m.params)
		}
	})
}
