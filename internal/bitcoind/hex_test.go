package bitcoind

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// Wherever the hex ends in the reader's buffer, it is decoded whole.
func TestBlockOfAnySize(t *testing.T) {
	const per = readSize / 2 // bytes that a buffer holds the hex of
	for _, size := range []int{1, 20, per - 8, per - 7, per, per + 1, 2*per - 6, 3 * per, 4_000_000} {
		want := bytes.Repeat([]byte{0x0f, 0xe1, 0x5a}, size/3+1)[:size]
		for _, frame := range []string{
			`{"result":"HEX","error":null,"id":"vigil"}`, `{"jsonrpc":"1.0","result":"HEX","error":null,"id":"vigil"}`,
			`{"id":"vigil","error":null,"result":"HEX"}`, "{\n  \"result\": \"HEX\"\n}\n",
		} {
			for _, known := range []bool{true, false} {
				answer := strings.Replace(frame, "HEX", hex.EncodeToString(want), 1)
				n := newNode(t, func(w http.ResponseWriter, call string) {
					if strings.HasPrefix(call, "getblockhash") {
						answers{"getblockhash": `"` + strings.Repeat("0", 64) + `"`}.serve(w, call)
						return
					}
					if known {
						w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
					}
					_, _ = io.WriteString(w, answer)
				})
				got, err := newClient(t, n).Block(t.Context(), 1)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes in %.40q: got %d, %v", size, frame, len(got), err)
				}
			}
		}
	}
}

// readHex takes an answer's result as tryCall does.
func readHex(answer string) (raw hexText, err error) {
	rest, err := raw.readAround(bufio.NewReader(strings.NewReader(answer)), int64(len(answer)))
	if err != nil {
		return nil, err
	}
	result, err := parseAnswer(http.StatusOK, rest)
	if err != nil {
		return nil, err
	}
	return raw, json.Unmarshal(result, &raw)
}

func TestHexThatIsNone(t *testing.T) {
	for answer, want := range map[string]error{
		`{"result":"00","error":{"code":-1,"message":"pruned"}}`: &RPCError{-1, "pruned"},
		`{"result":"00`:                           io.ErrUnexpectedEOF,
		`{"result":"00"`:                          errors.New("unusable answer: not JSON-RPC"),
		`{"result":"00"}}`:                        errors.New("unusable answer: not JSON-RPC"),
		`{"result":"0"}`:                          errors.New("unusable answer: encoding/hex: odd length hex string"),
		`{"result":"0\"result":"00"}`:             errors.New("unusable answer: encoding/hex: invalid byte: U+005C '\\'"),
		`{"result":"00","result":"01"}`:           errors.New("two results"),
		`{"error":"\"result":"00"}`:               errors.New("unusable answer: not JSON-RPC"),
		`{"a":"\"result":"00","result":null}`:     errors.New("unusable answer: not JSON-RPC"),
		`{"\"result":"00","error":null,"id":"v"}`: errors.New("unusable answer: no result"),
	} {
		if raw, err := readHex(answer); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: %x, %v; want %v", answer, raw, err, want)
		}
	}
}

// FuzzHexText: what is read past encoding/json is what that would have read.
func FuzzHexText(f *testing.F) {
	for _, seed := range []string{
		`{"result":"00ff","error":null,"id":"vigil"}`, `{"jsonrpc":"1.0","result":"00","error":null}`,
		`{"result":"00","result":"01"}`, `{"\"result":"00","result":""}`, `{"result":""}`, `{"result":"\u0030"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		got, err := readHex(answer)
		if err == nil && !strings.Contains(strings.ToLower(answer), hex.EncodeToString(got)) && !strings.Contains(answer, `\u`) {
			t.Fatalf("%x is not in %q", got, answer)
		}
		var want hexText
		result, errWant := parseAnswer(http.StatusOK, []byte(answer))
		if errWant == nil {
			errWant = json.Unmarshal(result, &want)
		}
		if err == nil && errWant == nil && len(want) > 0 && !bytes.Equal(got, want) {
			t.Fatalf("%x instead of %x from %q", got, want, answer)
		}
	})
}
