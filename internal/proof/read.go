package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"vigil/internal/teos"
)

// maxDocuments is how many documents are checked at once.
const maxDocuments = 1000

// documents reads one document, or many in a list, or in the field "evidence", as
// vigil-breach answers them. There is one at least.
func documents(text []byte) ([]document, error) {
	list, err := listed(text)
	switch {
	case err != nil:
		return nil, err
	case len(list) > maxDocuments:
		return nil, teos.Errorf(teos.TooLarge, "at most %d documents are checked at once", maxDocuments)
	case len(list) == 0:
		return nil, teos.Errorf(teos.FieldMissing, "there is nothing to verify: no receipt and no evidence is in it")
	}
	return list, nil
}

func listed(text []byte) (list []document, err error) {
	text = bytes.TrimSpace(text)
	var many struct {
		Evidence *[]document `json:"evidence"`
	}
	switch {
	case !json.Valid(text):
		return nil, noDocument(text, json.Unmarshal(text, &many))
	case text[0] != '{':
		err = json.Unmarshal(text, &list)
		return list, noDocument(text, err)
	}
	if err := json.Unmarshal(text, &many); err != nil || many.Evidence != nil {
		if err == nil {
			list = *many.Evidence
		}
		return list, noDocument(text, err)
	}
	var one document
	err = json.Unmarshal(text, &one)
	return []document{one}, noDocument(text, err)
}

// noDocument says in words what package json found wrong; nil where it found
// nothing.
func noDocument(text []byte, err error) error {
	if err == nil {
		return nil
	}
	const not = "this is no receipt or evidence: "
	var wrong *json.UnmarshalTypeError
	switch {
	case len(text) == 0:
		return teos.Errorf(teos.NotJSON, not+"it is empty")
	case !errors.As(err, &wrong):
		return teos.Errorf(teos.NotJSON, not+"it is not JSON")
	case wrong.Field == "":
		return teos.Errorf(teos.NotJSON, not+"one is an object in JSON, {…}; there may be several, in a list")
	}
	field := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:]
	return teos.Errorf(teos.WrongType, not+"its %.40q can't be %.40s", field, inWords(wrong.Value))
}

// inWords is a kind of value as package json calls it.
func inWords(kind string) string {
	switch kind {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	case "number", "string":
		return "a " + kind
	}
	return strings.TrimPrefix(kind, "number ")
}
