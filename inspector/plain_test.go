package inspector

import (
	"encoding/json"
	"testing"
)

// Whatever parsePlain takes, encoding/json takes, and they agree on it.
func FuzzPlain(f *testing.F) {
	for _, body := range []string{
		`{}`, ` { "a" : "b" , "c":{"d":0,"e":null} } `, `{"a":1,"a":"2"}`, `{"a":01}`, `{"a":-1}`, `{"a":1.5}`, `{"a":1e5}`,
		`{"a":"\u0041"}`, "{\"a\":\"\x01\"}", `{"ä":"b"}`, `{"a":{"b":{"c":1}}}`, `{"a":[1]}`, `{"a":true}`, `{"a":nul}`,
		`{"a":1}x`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":"b`, `{"a":"b"`, `"a"`, `null`, ``, `[]`, `{"a":nullx}`, `{"a":1"b":2}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, ok := parsePlain(body)
		if !ok {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(body, &want); err != nil || want == nil {
			t.Fatalf("%q is taken for %v: %v", body, o, err)
		}
		names := map[string]bool{}
		for _, field := range o {
			names[string(field.name)] = true
		}
		if len(names) != len(want) {
			t.Fatalf("%q has fields %v and not %v", body, o, want)
		}
		for name, value := range want {
			if got := o.get(name); string(got) != string(value) && (got != nil || string(value) != "null") {
				t.Errorf("%s is %q and not %q", name, got, value)
			}
			text, ok := plainText(value)
			var s string
			if err := json.Unmarshal(value, &s); ok && (err != nil || s != string(text)) {
				t.Errorf("%q is %q and not %q, %v", value, text, s, err)
			}
		}
	})
}

// What clients send is parsed the fast way.
func TestOrdinaryRequestsArePlain(t *testing.T) {
	for _, body := range []string{
		`{"appointment":{"locator":"00ff","encrypted_blob":"00ff","to_self_delay":144},"signature":"yb"}`,
		"{\"appointment\": {\"locator\": \"00ff\", \"encrypted_blob\": \"00\", \"to_self_delay\": 20}, \"signature\": \"yb\"}\n",
		`{"user_id":"02ff"}`, `{"public_key": "02ff"}`, `{"locator":"00ff","signature":"yb"}`, `{"signature":"yb"}`,
	} {
		if _, ok := parsePlain([]byte(body)); !ok {
			t.Errorf("%s is not", body)
		}
	}
}
