package cln

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestManifest(t *testing.T) {
	why := ""
	n := startNode(t, &Plugin{
		Methods: []Method{{Name: "vigil-info", Usage: "", Description: "Show."}, {Name: "register", Usage: "user [slots]", Description: "Register <a> user."}},
		Options: []Option{
			{Name: "vigil-n", Type: "int", Default: 7, Description: "a number"},
			{Name: "vigil-m", Type: "string", Multi: true, Description: "several"},
			{Name: "vigil-f", Type: "flag", Description: "a flag"},
		},
		Notifications: []string{"vigil-breach"},
		Disable:       func() string { return why },
	})
	want := `{"options":[{"name":"vigil-f","type":"flag","description":"a flag"},` +
		`{"name":"vigil-m","type":"string","description":"several","multi":true},` +
		`{"name":"vigil-n","type":"int","default":7,"description":"a number"}],` +
		`"rpcmethods":[{"name":"register","usage":"user [slots]","description":"Register <a> user."},` +
		`{"name":"vigil-info","usage":"","description":"Show."}],` +
		`"subscriptions":["block_added","shutdown"],"notifications":[{"method":"vigil-breach"}],` +
		`"dynamic":true,"nonnumericids":true,"cancheck":true`
	if a := n.call("1", "getmanifest", `{"allow-deprecated-apis":false}`); string(a.Result) != want+"}" {
		t.Errorf("manifest\n got %s\nwant %s}", a.Result, want)
	}
	why = "no chain"
	if a := n.call("2", "getmanifest", `{}`); string(a.Result) != want+`,"disable":"no chain"}` {
		t.Errorf("second manifest %s", a.Result)
	}
}

func TestDescriptionsAreNeverEmpty(t *testing.T) {
	n := startNode(t, &Plugin{Methods: []Method{{Name: "vigil-info"}}})
	if a := n.call("1", "getmanifest", `[]`); !strings.Contains(string(a.Result), `"rpcmethods":[{"name":"vigil-info","usage":"",`) {
		t.Errorf("manifest %s", a.Result)
	}
}

func TestMethodsAreNotRegisteredTwice(t *testing.T) {
	for _, name := range []string{"init", "getmanifest", "check", "echo"} {
		err := (&Plugin{Methods: []Method{echo("echo"), {Name: name}}}).Run(t.Context(), strings.NewReader(""), &strings.Builder{})
		if err == nil || err.Error() != `plugin: method "`+name+`": Method already registered` {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRequestBeforeInit(t *testing.T) {
	n := startNode(t, &Plugin{Methods: []Method{echo("echo")}})
	wantError(t, n.call("1", "echo", "[]"), CodePlugin, "the plugin is not initialised yet; try again")
	wantError(t, n.call("2", "check", `["echo"]`), CodePlugin, "the plugin is not initialised yet; try again")
	n.call("3", "init", initParams)
	if a := n.call("4", "echo", "[]"); a.Error != nil {
		t.Errorf("after init: %s", a.text)
	}
	wantError(t, n.call("5", "init", initParams), CodeInvalidRequest, "init came twice")
}

// lightningd takes an error in answer to init for success: only a reason
// keeps a plugin out.
func TestInitNeverFails(t *testing.T) {
	says := func(reason string) func(context.Context, Config) string {
		return func(context.Context, Config) string { return reason }
	}
	tests := map[string]struct {
		init   func(context.Context, Config) string
		params string
		want   string
	}{
		"accepted": {says(""), initParams, `{}`},
		"no Init":  {nil, initParams, `{}`},
		"reason":   {says("testnet3 is not supported"), initParams, `{"disable":"testnet3 is not supported"}`},
		"quotes":   {says(`it is "x"`), initParams, `{"disable":"it is 'x'"}`},
		"panic":    {func(context.Context, Config) string { panic("oh") }, initParams, `{"disable":"internal error; see the log"}`},
		"array":    {says(""), `[]`, `{"disable":"init: json: cannot unmarshal array into Go value of type struct`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, &Plugin{Init: tt.init})
			if a := n.call("1", "init", tt.params); !strings.HasPrefix(string(a.Result), tt.want) {
				t.Errorf("answer %s", a.text)
			}
		})
	}
}

func TestDisableAtInitIsLoggedFirst(t *testing.T) {
	n := startNode(t, &Plugin{Init: func(context.Context, Config) string { return "no such network" }})
	n.call("1", "init", initParams)
	if w := n.seen[0]; w.Params.Level != "unusual" || w.Params.Message != "disabled: no such network" {
		t.Errorf("before the answer came %s", w.text)
	}
}

func TestCheck(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{
		echo("unchecked"),
		{Name: "checked", Check: func(p json.RawMessage) error { return &Error{Code: CodeInvalidParams, Message: string(p)} },
			Handle: func(context.Context, json.RawMessage) (any, error) { t.Error("handled"); return nil, nil }},
		{Name: "fails", Check: func(json.RawMessage) error { return errors.New("inside") }},
		{Name: "panics", Check: func(json.RawMessage) error { panic("oh") }},
	}})
	missing := "missing required parameter: command_to_check"
	tests := []struct {
		params  string
		code    int
		message string // or the result
	}{
		{`["unchecked",1,2]`, 0, `{"command_to_check":"unchecked"}`},
		{`{"a":1,"command_to_check":"unchecked"}`, 0, `{"command_to_check":"unchecked"}`},
		{`["checked"]`, CodeInvalidParams, `[]`},
		{`[ "checked" , 12345678901234567890 , {"a": null} ]`, CodeInvalidParams, `[ 12345678901234567890 , {"a": null} ]`},
		{`{"command_to_check":"checked"}`, CodeInvalidParams, `{}`},
		{`{"user":"bob", "command_to_check" : "checked", "n": 1e5}`, CodeInvalidParams, `{"user":"bob","n":1e5}`},
		{`["fails"]`, CodeInternal, "internal error; see the log"},
		{`["panics"]`, CodeInternal, "internal error; see the log"},
		{`["no-such"]`, CodeMethodNotFound, "unknown method no-such"},
		{`["check","unchecked"]`, CodeMethodNotFound, "unknown method check"},
		{`[]`, CodeInvalidParams, missing},
		{`{}`, CodeInvalidParams, missing},
		{`[7]`, CodeInvalidParams, missing},
		{`{"command_to_check":["unchecked"]}`, CodeInvalidParams, missing},
	}
	for _, tt := range tests {
		a := n.call(`"`+strings.NewReplacer(`"`, "", `\`, "").Replace(tt.params)+`"`, "check", tt.params)
		if tt.code != 0 {
			wantError(t, a, tt.code, tt.message)
		} else if string(a.Result) != tt.message {
			t.Errorf("check %s: %s", tt.params, a.text)
		}
	}
}

func TestRepeatedParametersAreRefused(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	for i, params := range []string{`{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"a":1,"\u0061":2}`, `{"k":1,"\u212a":2}`} {
		a := n.call(string(rune('1'+i)), "echo", params)
		wantError(t, a, CodeInvalidParams, "a parameter is given twice: "+[]string{"a", "a", "a", "k"}[i])
	}
}

// The first of two equal keys counts, as it does for lightningd.
func TestFirstKeyCounts(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	n.send(`{"jsonrpc":"2.0","ID":"x","id":"1","method":"echo","params":[1],"id":"2","method":"no-such","params":[2]}`)
	if a := n.answer(`"1"`); string(a.Result) != echoed(t, "[1]") {
		t.Errorf("answer %s", a.text)
	}
}

func TestMalformedRequests(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	tests := []struct {
		text    string
		id      string
		code    int
		message string
	}{
		{`{"id":1,"method":"echo","params":[12abc]}`, "1", CodeParse, "the request is not valid JSON, or too deep"},
		{`{"id":2,"method":"echo","params":["` + "\xff" + `"]}`, "2", CodeParse, "the request is not valid JSON, or too deep"},
		{`{"id":3,"method":"echo","params":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "3", CodeParse, "the request is not valid JSON, or too deep"},
		{`{"id":4,"params":[]}`, "4", CodeInvalidRequest, "the request names no method"},
		{`{"id":5,"method":["echo"],"params":[]}`, "5", CodeInvalidRequest, "the request names no method"},
		{`{"id":{"a":1},"method":"","params":[]}`, "null", CodeInvalidRequest, "the request names no method"},
	}
	for _, tt := range tests {
		n.send(tt.text)
		wantError(t, n.answer(tt.id), tt.code, tt.message)
	}
}

func TestGarbageIsSkipped(t *testing.T) {
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}})
	for i, garbage := range []string{"hello", "}}]", "\x00\xff", `"a string"`, "12 ["} {
		n.send(garbage)
		if a := n.call(string(rune('1'+i)), "echo", "[]"); a.Error != nil {
			t.Errorf("after %q: %s", garbage, a.text)
		}
	}
	n.logged("unusual", "stdin: bytes that are no JSON message were skipped")
}

func TestOddNotifications(t *testing.T) {
	heights := make(chan uint32, 8)
	n := initialised(t, &Plugin{Methods: []Method{echo("echo")}, Block: func(h uint32) {
		heights <- h
		if h == 1 {
			panic("oh")
		}
	}})
	for _, params := range []string{
		`{"block_added":{"height":1}}`, `{}`, `null`, `"x"`, `{"block_added":{"height":-1}}`, `{"block_added":{"height":4294967296}}`,
		`{"block_added":{"height":2}}`,
	} {
		n.send(`{"jsonrpc":"2.0","method":"block_added","params":` + params + `}`)
	}
	n.send(`{"jsonrpc":"2.0","method":7,"params":[]}`)
	n.call("1", "echo", "[]")
	if len(heights) != 2 || <-heights != 1 || <-heights != 2 {
		t.Error("want the heights 1 and 2")
	}
	n.logged("unusual", "block_added without a height")
}
