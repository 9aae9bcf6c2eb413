package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"vigil/internal/teos"
)

// Param is a parameter of a method.
type Param struct {
	Name  string
	About string
	// Required says that it can't be left out; Default is what holds where
	// it is, as text.
	Required bool
	Default  string
	// File says that the shell takes the name of a file and sends what is in
	// it; lightning-cli takes the content itself.
	File bool
	// Path says that it names a file that the tower is to write: the shell makes
	// it absolute, and looks for it afterwards.
	Path bool
	// Values are what a shell completes, where there are few.
	Values []string

	// filled says that an empty text is read, too, and not taken for one that was
	// left out.
	filled bool
	read   func(name, text string) (any, error)
}

// Args are the parameters of a call, each read as its Param says.
type Args map[string]any

// arg returns a parameter; its zero value where it was left out.
func arg[T any](a Args, name string) T {
	v, _ := a[name].(T)
	return v
}

// Parse reads parameters from a JSON object. Strings and numbers are read as
// they were typed; what is neither is for a parameter that takes JSON.
func (m Method) Parse(params []byte) (Args, error) {
	given := map[string]json.RawMessage{}
	if err := json.Unmarshal(params, &given); len(params) > 0 && err != nil {
		return nil, teos.Errorf(teos.NotJSON, "the parameters are no JSON object")
	}
	for name := range given {
		if !slices.ContainsFunc(m.Params, func(p Param) bool { return p.Name == name }) {
			return nil, teos.Errorf(teos.WrongType, "there is no parameter %.40q: %s takes %s", name, m.Name, m.orNone())
		}
	}
	args := Args{}
	for _, p := range m.Params {
		text := typed(given[p.Name])
		if text == "" {
			text = p.Default
		}
		if text == "" && p.Required {
			return nil, teos.Errorf(teos.FieldMissing, "%s is missing: %s", p.Name, p.About)
		}
		if text == "" && (!p.filled || !there(given[p.Name])) {
			continue
		}
		value, err := p.read(p.Name, text)
		if err != nil {
			return nil, err
		}
		args[p.Name] = value
	}
	return args, nil
}

func (m Method) orNone() string {
	if len(m.Params) == 0 {
		return "none"
	}
	return m.Usage()
}

// there tells a value from one that was left out.
func there(value json.RawMessage) bool {
	return len(value) > 0 && string(bytes.TrimSpace(value)) != "null"
}

// typed returns a value as it was typed: a string without its quotes.
func typed(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	if text = string(bytes.TrimSpace(value)); text == "null" {
		return ""
	}
	return text
}

// number is a parameter from least to most.
func number(name, about, fallback string, least, most int64) Param {
	return Param{Name: name, About: about, Default: fallback, read: func(name, text string) (any, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, teos.Errorf(teos.WrongType, "%s must be a number, is %.40q", name, text)
		}
		if n < least || n > most {
			return nil, teos.Errorf(teos.WrongType, "%s must be %d to %d", name, least, most)
		}
		return n, nil
	}}
}

// word is a parameter that is one of some words.
func word(name, about string, words ...string) Param {
	return Param{Name: name, About: about, Values: words, read: func(name, text string) (any, error) {
		if !slices.Contains(words, text) {
			return nil, teos.Errorf(teos.WrongType, "there is no %s %.40q: it is one of %s", name, text, strings.Join(words, ", "))
		}
		return text, nil
	}}
}

// text is a parameter of any text up to a length in bytes.
func text(name, about string, most int) Param {
	return Param{Name: name, About: about, read: func(name, text string) (any, error) {
		if len(text) > most {
			return nil, teos.Errorf(teos.TooLarge, "%s may have %d bytes, has %d", name, most, len(text))
		}
		return text, nil
	}}
}

// user is a parameter that is a user's public key, a teos.UserID.
func user(name, about string) Param {
	return Param{Name: name, About: about, read: func(name, text string) (any, error) {
		id, err := teos.ParseUserID(text)
		if err != nil {
			return nil, teos.Errorf(teos.KeyMalformed, "%s must be a public key, 66 hex digits: %v", name, inner(err))
		}
		return id, nil
	}}
}

// locator is a parameter that is a teos.Locator.
func locator(name, about string) Param {
	return Param{Name: name, About: about, read: func(name, text string) (any, error) {
		l, err := teos.ParseLocator(text)
		if err != nil {
			return nil, teos.Errorf(teos.LocatorWrongSize, "%s must be 32 hex digits: %v", name, inner(err))
		}
		return l, nil
	}}
}

// inner is an error without what it is about: that was named already.
func inner(err error) error {
	if e := errors.Unwrap(err); e != nil {
		return e
	}
	return err
}

// required makes a parameter one that can't be left out.
func required(p Param) Param {
	p.Required = true
	return p
}
