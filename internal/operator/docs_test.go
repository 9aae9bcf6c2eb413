package operator

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"vigil/internal/proof"
)

// fields are the names of a document's fields, and of those of what is in it.
func fields(t reflect.Type) (names []string) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" {
			names = append(names, name)
		}
		names = append(names, fields(t.Field(i).Type)...)
	}
	return names
}

// TestFieldsAreDocumented: docs/methods.md names each field of each answer.
func TestFieldsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/methods.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []any{
		Info{}, SelfTest{}, Breaches{}, Events{}, Appointments{}, Users{}, UserAt{}, Evidences{}, proof.Verdict{}, Backup{}, Storage{},
	} {
		kind := reflect.TypeOf(answer)
		for _, name := range fields(kind) {
			if !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), `"`+name+`"`) {
				t.Errorf("docs/methods.md does not tell of %s of %v", name, kind)
			}
		}
	}
}
