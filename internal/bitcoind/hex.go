package bitcoind

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// hexText is a result that is one string of hex. That of a block has 8 MB,
// and to take it through encoding/json costs five times as much as to decode
// it: so it is decoded while it is read, and only what stands around it is
// left to encoding/json.
type hexText []byte

// UnmarshalJSON implements json.Unmarshaler. Of a result that readAround has
// read, an empty string is left.
func (h *hexText) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s != "" && len(*h) > 0 {
		return errors.New("two results")
	}
	return h.append([]byte(s))
}

func (h *hexText) append(digits []byte) error {
	n := len(*h)
	*h = slices.Grow(*h, len(digits)/2)[:n+len(digits)/2]
	if _, err := hex.Decode((*h)[n:], digits); err != nil {
		return fmt.Errorf("%w: %w", ErrBadAnswer, err)
	}
	return nil
}

// resultHead is what stands before the result, in bitcoind's and btcd's
// answers within the first bytes.
const (
	resultHead = `"result":"`
	headRoom   = 64
)

// readAround reads an answer of some size in bytes (-1 if that is not known),
// and returns it with an empty string in the place of its result. An answer of
// another form is returned as it is. What is returned is JSON where the answer
// was, so whoever decodes it finds every fault but in the result.
func (h *hexText) readAround(r *bufio.Reader, size int64) (answer []byte, err error) {
	answer, _ = r.Peek(headRoom) // a short answer is whole in it
	at := bytes.Index(answer, []byte(resultHead))
	if at < 0 {
		return io.ReadAll(r)
	}
	answer = bytes.Clone(answer[:at+len(resultHead)])
	if _, err := r.Discard(len(answer)); err != nil {
		return nil, err
	}
	*h = make([]byte, 0, max(0, min(size, maxAnswer))/2)
	if err := h.read(r); err != nil {
		return nil, err
	}
	rest, err := io.ReadAll(r)
	return append(append(answer, '"'), rest...), err
}

// read reads hex up to the quote behind it.
func (h *hexText) read(r *bufio.Reader) error {
	for {
		// Each piece but the last fills r's buffer, which is of an even size.
		digits, err := r.ReadSlice('"')
		switch {
		case err == nil:
			return h.append(digits[:len(digits)-1])
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
		if err := h.append(digits); err != nil {
			return err
		}
	}
}
