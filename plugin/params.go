package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"vigil/internal/teos"
)

// object returns parameters as the JSON object that the HTTP API would get.
// Positional ones take their names in order; others may be given by name only.
// A name that is neither is a mistake of the caller, who must hear of it. What lightning-cli sends as a
// number because it consists of digits (a locator, a key) becomes the string
// that was typed; only to_self_delay is a number, and it is inside another
// object.
func object(params json.RawMessage, positional, others []string) ([]byte, error) {
	named := map[string]json.RawMessage{}
	if text := bytes.TrimSpace(params); len(text) > 0 && text[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, teos.Errorf(teos.NotJSON, "the parameters are no JSON")
		}
		if len(list) > len(positional) {
			return nil, tooMany(len(list), positional)
		}
		for i, value := range list {
			named[positional[i]] = value
		}
	} else if err := json.Unmarshal(text, &named); len(text) > 0 && err != nil {
		return nil, teos.Errorf(teos.NotJSON, "the parameters are no JSON object")
	}
	for name, value := range named {
		if !slices.Contains(positional, name) && !slices.Contains(others, name) {
			return nil, teos.Errorf(teos.WrongType, "there is no parameter %.40q here: %s",
				name, strings.Join(positional, " "))
		}
		named[name] = unquoted(value)
	}
	return json.Marshal(named)
}

func tooMany(given int, names []string) error {
	if len(names) == 0 {
		return teos.Errorf(teos.WrongType, "this takes no parameters, and %d are given", given)
	}
	return teos.Errorf(teos.WrongType, "%d parameters are given and it takes %d at most: %s", given, len(names), strings.Join(names, " "))
}

// unquoted makes a string of a number as it was typed.
func unquoted(value json.RawMessage) json.RawMessage {
	text := bytes.TrimSpace(value)
	if len(text) > 0 && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') {
		return json.RawMessage(`"` + string(text) + `"`)
	}
	return value
}
