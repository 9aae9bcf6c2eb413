package main

import (
	"encoding/json"
	"errors"
	"testing"

	"vigil/internal/teos"
)

func TestParametersBecomeTheBodyOfTheAPI(t *testing.T) {
	names := []string{"locator", "signature"}
	for name, c := range map[string]struct{ params, want string }{
		"positional":      {`["aa","sig"]`, `{"locator":"aa","signature":"sig"}`},
		"fewer":           {`["aa"]`, `{"locator":"aa"}`},
		"named":           {`{"signature":"sig","locator":"aa"}`, `{"locator":"aa","signature":"sig"}`},
		"none":            {``, `{}`},
		"empty":           {`[]`, `{}`},
		"digits":          {`[12345678901234567890123456789012]`, `{"locator":"12345678901234567890123456789012"}`},
		"digits and an e": {`{"locator":11e11}`, `{"locator":"11e11"}`},
		"by name only":    {`{"public_key":"bb"}`, `{"public_key":"bb"}`},
		"object stays":    {`[{"to_self_delay":20}]`, `{"locator":{"to_self_delay":20}}`},
		"null stays":      {`[null]`, `{"locator":null}`},
		"blanks around":   {" [ 7 ] ", `{"locator":"7"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := object(json.RawMessage(c.params), names, []string{"public_key"})
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestParametersThatAreWrong(t *testing.T) {
	for params, want := range map[string]teos.Cause{
		`["a","b","c"]`: teos.WrongType,
		`{"bogus":1}`:   teos.WrongType,
		`"text"`:        teos.NotJSON,
		`[`:             teos.NotJSON,
	} {
		_, err := object(json.RawMessage(params), []string{"locator", "signature"}, nil)
		var e *teos.Error
		if !errors.As(err, &e) || e.Cause != want {
			t.Errorf("%s: %v", params, err)
		}
	}
}
