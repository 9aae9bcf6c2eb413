package cln

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

// stepwise finds the end of the first JSON text byte by byte, without leaving
// out what stands in strings.
func stepwise(text []byte) (end int, found bool) {
	var n nesting
	for i, c := range text {
		if n.step(c); n.depth <= 0 {
			return i + 1, true
		}
	}
	return 0, false
}

// FuzzLongStrings: what is skipped inside of strings ends no message earlier or
// later, however the stream is cut.
func FuzzLongStrings(f *testing.F) {
	for _, seed := range []string{
		`{"a":"b"}`, `{"a":["\"}",{"b\\":"\\\""}]}`, `[["\u005c","}"]]`, `{"a":"` + strings.Repeat("0", 70_000) + `"}{}`, `{"a":"\`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 || text[0] != '{' && text[0] != '[' {
			return
		}
		end, found := stepwise(text)
		whole, errWhole := newFrameReader(bytes.NewReader(text), 1<<20).next()
		cut, errCut := newFrameReader(iotest.OneByteReader(bytes.NewReader(text)), 1<<20).next()
		if (errWhole == nil) != found || (errCut == nil) != found {
			t.Fatalf("%q: %v, %v; found: %t", text, errWhole, errCut, found)
		}
		if found && (!bytes.Equal(whole.text, text[:end]) || !bytes.Equal(cut.text, text[:end])) {
			t.Fatalf("%q and %q instead of %q", whole.text, cut.text, text[:end])
		}
	})
}

// The outline of a message over its limit still tells its id, behind values
// that are skipped.
func TestOutlineBehindLongStrings(t *testing.T) {
	text := `{"params":{"a":"` + strings.Repeat(`0\"`, 50_000) + `"},"id":7}`
	f, err := newFrameReader(strings.NewReader(text), 1000).next()
	if err != nil || !f.over || string(find(members(f.text), "id")) != "7" {
		t.Errorf("%.100s, %t, %v", f.text, f.over, err)
	}
}

// What is no string of hex is no block, and says so.
func TestBlockThatIsNone(t *testing.T) {
	for block, want := range map[string]string{
		`"0g"`:     "block at height 1: encoding/hex: invalid byte: U+0067 'g'",
		`"\u0030"`: `block at height 1: encoding/hex: invalid byte: U+005C '\'`,
		`{"a":1}`:  "block at height 1: encoding/hex: invalid byte: U+007B '{'",
		`null`:     "height 1: no block at this height",
	} {
		c := NewChain(rpcServer(t, answers(map[string]string{"getrawblockbyheight": `"result":{"block":` + block + `}`})))
		if _, err := c.Block(t.Context(), 1); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", block, err, want)
		}
	}
	c := NewChain(rpcServer(t, answers(map[string]string{"getrawblockbyheight": `"error":{"code":-1,"message":"no"}`})))
	var rpcErr *RPCError
	if _, err := c.Block(t.Context(), 1); !errors.As(err, &rpcErr) {
		t.Errorf("an error of lightningd: %v", err)
	}
}
