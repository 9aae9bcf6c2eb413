package main

import (
	"encoding/json"
	"slices"
	"testing"

	"vigil/internal/teos"
)

// FuzzParameters: what a caller of lightning-rpc gives becomes an object with
// none but known names, or a failure that says why.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{
		`[]`, `{}`, `null`, ``, `["a"]`, `[1,2,3]`, `{"user_id":5}`, `{"user_id":-1e9,"public_key":[]}`, `{"x":1}`, `[`, `[1e999]`,
	} {
		f.Add([]byte(seed))
	}
	positional, others := []string{"user_id", "signature"}, []string{"public_key"}
	f.Fuzz(func(t *testing.T, params []byte) {
		body, err := object(params, positional, others)
		if err != nil {
			if e := teos.AsError(err); e.Text == "" || len(e.Text) > 300 {
				t.Fatalf("no failure for a caller: %v", err)
			}
			return
		}
		var named map[string]json.RawMessage
		if err := json.Unmarshal(body, &named); err != nil {
			t.Fatalf("%q became %q", params, body)
		}
		for name, value := range named {
			if !slices.Contains(positional, name) && !slices.Contains(others, name) {
				t.Fatalf("%q became %q", params, body)
			}
			var number json.Number
			if json.Unmarshal(value, &number) == nil && value[0] != '"' && string(value) != "null" {
				t.Fatalf("%q has a number in %q", params, body)
			}
		}
	})
}
