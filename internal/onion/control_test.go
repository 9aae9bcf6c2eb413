package onion

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestRepliesAreRead(t *testing.T) {
	for text, want := range map[string]struct {
		code  int
		lines []string
		err   error
	}{
		"250 OK\r\n":                             {250, []string{"OK"}, nil},
		"250-A=1\r\n250 OK\r\n":                  {250, []string{"A=1", "OK"}, nil},
		"250+a=\r\nx\r\n..y\r\n.\r\n250 OK\r\n":  {250, []string{"a=x\n.y", "OK"}, nil},
		"515 no\r\n":                             {515, []string{"no"}, nil},
		"":                                       {0, nil, io.EOF},
		"250-A\r\n":                              {0, nil, io.EOF},
		"25\r\n":                                 {0, nil, errReply},
		"HTTP/1.1 400 Bad Request\r\n":           {0, nil, errReply},
		"250?x\r\n":                              {0, nil, errReply},
		strings.Repeat("2", maxLine+1):           {0, nil, errReply},
		strings.Repeat("250-x\r\n", maxLines+1):  {0, nil, errReply},
		"250+x\r\n" + strings.Repeat("y\n", 300): {0, nil, errReply},
	} {
		code, lines, err := readReply(bufio.NewReaderSize(strings.NewReader(text), maxLine))
		if code != want.code || !slices.Equal(lines, want.lines) || !errors.Is(err, want.err) {
			t.Errorf("%.40q: %d, %q, %v", text, code, lines, err)
		}
	}
}

func TestFieldsAreRead(t *testing.T) {
	for line, want := range map[string]string{
		`METHODS=NULL F=/a`:           "/a",
		`F="/a b"`:                    "/a b",
		`X="F=no" F="\"\\\303\244\n"`: "\"\\ä\n",
		`F="`:                         `"`,
		`F="\"`:                       `\`,
		`F=`:                          "",
		`G=1`:                         "",
	} {
		if got := field(line, "F"); got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// What answers at the address may be anything.
func FuzzReply(f *testing.F) {
	f.Add("250-PROTOCOLINFO 1\r\n250-AUTH METHODS=COOKIE COOKIEFILE=\"/a\\\"b\"\r\n250 OK\r\n")
	f.Add("250+onions/current=\r\nabc\r\n.\r\n250 OK\r\n")
	f.Add("250 AUTHCHALLENGE SERVERHASH=00 SERVERNONCE=00\r\n")
	f.Add("250 A=\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		code, lines, err := readReply(bufio.NewReaderSize(strings.NewReader(text), maxLine))
		if (err == nil) != (len(lines) > 0) || err == nil && code < 100 {
			t.Fatalf("%d, %q, %v", code, lines, err)
		}
		for _, line := range lines {
			if value := field(line, "COOKIEFILE"); len(value) > len(line) {
				t.Fatalf("%q is longer than %q", value, line)
			}
			if nonce, proof, err := parseChallenge(line); err == nil && len(nonce)+len(proof) != 64 {
				t.Fatalf("%x %x", nonce, proof)
			}
		}
	})
}
