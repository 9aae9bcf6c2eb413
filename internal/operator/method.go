// Package operator holds what the operator may ask of a tower and tell it to
// do. Each method is defined once, in this package: lightning-cli offers it as
// vigil-NAME, the shell as `vigil NAME`, and usage, completion and manual are
// made from the same definition. Answers are JSON documents whose fields
// docs/methods.md describes.
package operator

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"vigil/internal/teos"
)

// Method is one thing that the operator may ask or tell to do.
type Method struct {
	// Name is without prefix: "info" is vigil-info in lightning-cli.
	Name string
	// About says in a sentence or two what it does and answers.
	About string
	// Params are in the order in which they may be given without a name.
	Params []Param
	// Answer serves it. What it returns is encoded as JSON.
	Answer func(ctx context.Context, d *Desk, a Args) (any, error)
	// Local answers it without a tower, for the shell; nil where one is needed.
	Local func(a Args) (any, error)
	// Lead says in a sentence or two, before all else, what a person wants to
	// know of an answer; nil where nothing needs to be said.
	Lead func(document []byte) string
}

// Group is methods that belong together.
type Group struct {
	Title   string
	Methods []Method
}

// Groups are all methods as people look for them.
func Groups() []Group {
	return []Group{
		{"How the tower is", infoMethods},
		{"What it did", breachMethods},
		{"Whom it serves", userMethods},
		{"Who may use it", accessMethods},
		{"What it promised", proofMethods},
		{"Keeping it", keepMethods},
	}
}

// Methods are all of them, by name.
func Methods() []Method {
	var all []Method
	for _, g := range Groups() {
		all = append(all, g.Methods...)
	}
	slices.SortFunc(all, func(a, b Method) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find returns a method by its name.
func Find(name string) (m Method, found bool) {
	for _, m := range Methods() {
		if m.Name == name {
			return m, true
		}
	}
	return Method{}, false
}

// Usage lists the parameters as lightning-cli shows them, those that may be
// left out in brackets: "user [limit]".
func (m Method) Usage() string {
	var words []string
	for _, p := range m.Params {
		if p.Required {
			words = append(words, p.Name)
		} else {
			words = append(words, "["+p.Name+"]")
		}
	}
	return strings.Join(words, " ")
}

// Ask serves a method by its name, with parameters as Parse takes them.
func (d *Desk) Ask(ctx context.Context, name string, params []byte) ([]byte, error) {
	m, found := Find(name)
	if !found {
		return nil, teos.Errorf(teos.WrongType, "there is no method %.40q", name)
	}
	args, err := m.Parse(params)
	if err != nil {
		return nil, err
	}
	document, err := m.Answer(ctx, d, args)
	if err != nil {
		return nil, err
	}
	return json.Marshal(document)
}

// AskLocal serves a method that is Local, as Desk.Ask would.
func (m Method) AskLocal(params []byte) ([]byte, error) {
	args, err := m.Parse(params)
	if err != nil {
		return nil, err
	}
	document, err := m.Local(args)
	if err != nil {
		return nil, err
	}
	return json.Marshal(document)
}
