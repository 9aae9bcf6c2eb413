package cln

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
)

// maxOutline bounds, in bytes, what is kept of a message over its limit.
const maxOutline = 64 << 10

// maxPart is how much of a message that comes in drops is kept in one piece,
// in bytes.
const maxPart = 64 << 10

// errGarbage says that bytes outside any JSON text were skipped; reading may
// go on.
var errGarbage = errors.New("bytes that are no JSON message were skipped")

// nesting follows brackets and strings through JSON text, byte by byte.
type nesting struct {
	depth             int
	inString, escaped bool
}

func (n *nesting) step(c byte) {
	switch {
	case n.escaped:
		n.escaped = false
	case n.inString:
		n.escaped = c == '\\'
		n.inString = c != '"'
	case c == '"':
		n.inString = true
	case c == '{' || c == '[':
		n.depth++
	case c == '}' || c == ']':
		n.depth--
	}
}

// plain returns how many bytes follow that can't end the string that n is in:
// all up to the next quote or backslash.
func (n *nesting) plain(text []byte) int {
	if !n.inString || n.escaped {
		return 0
	}
	if i := bytes.IndexByte(text, '"'); i >= 0 {
		text = text[:i]
	}
	if i := bytes.IndexByte(text, '\\'); i >= 0 {
		return i
	}
	return len(text)
}

// frame is one JSON object or array as it came.
type frame struct {
	// text is the whole message. Where over is set it is the outline: what
	// stands outside of nested values, so that the id can still be found,
	// wherever the sender put it.
	text []byte
	over bool
}

// frameReader cuts a stream into JSON texts by their brackets alone. It never
// looks for a blank line: that is legal inside a message, and a reader that
// splits there lets a caller who may use one method smuggle in a call to
// another. For the same reason it doesn't try to resynchronise inside a
// message.
type frameReader struct {
	r     *bufio.Reader
	limit int
}

// newFrameReader returns a reader that keeps at most limit bytes a message.
func newFrameReader(r io.Reader, limit int) *frameReader {
	return &frameReader{bufio.NewReaderSize(r, 64<<10), limit}
}

// next returns the next message. It fails with errGarbage (call again), with
// io.EOF between messages, with io.ErrUnexpectedEOF inside one, or with the
// stream's own error.
func (f *frameReader) next() (frame, error) {
	if err := f.seek(); err != nil {
		return frame{}, err
	}
	s := frameScan{limit: f.limit}
	for {
		chunk, err := f.buffered()
		if errors.Is(err, io.EOF) {
			return frame{}, io.ErrUnexpectedEOF
		} else if err != nil {
			return frame{}, err
		}
		n, done := s.feed(chunk)
		if _, err := f.r.Discard(n); err != nil {
			return frame{}, err
		}
		if done {
			return s.frame(), nil
		}
	}
}

func (f *frameReader) buffered() ([]byte, error) {
	if _, err := f.r.Peek(1); err != nil {
		return nil, err
	}
	return f.r.Peek(f.r.Buffered())
}

// seek moves to the start of the next message.
func (f *frameReader) seek() error {
	garbage := false
	for {
		head, err := f.r.Peek(1)
		if garbage && (err != nil || head[0] == '{' || head[0] == '\n') {
			return errGarbage
		}
		if err != nil {
			return err
		}
		if head[0] == '{' || head[0] == '[' && !garbage {
			return nil
		}
		garbage = garbage || !isSpace(head[0])
		if _, err := f.r.Discard(1); err != nil {
			return err
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

type frameScan struct {
	nesting
	limit   int
	parts   [][]byte // of the text, size bytes together
	size    int
	outline []byte
	over    bool
}

// feed takes bytes until the message ends and says how many it took.
func (s *frameScan) feed(chunk []byte) (n int, done bool) {
	for i := 0; i < len(chunk); i++ {
		if s.depth > 1 { // no part of the outline
			if i += s.plain(chunk[i:]); i == len(chunk) {
				break
			}
		}
		c, outside := chunk[i], s.depth <= 1
		s.step(c)
		if (outside || s.depth <= 1) && len(s.outline) < maxOutline {
			s.outline = append(s.outline, c)
		}
		if s.depth <= 0 {
			s.keep(chunk[:i+1])
			return i + 1, true
		}
	}
	s.keep(chunk)
	return len(chunk), false
}

func (s *frameScan) keep(part []byte) {
	if s.over || s.size+len(part) > s.limit {
		s.over, s.parts = true, nil
		return
	}
	last := len(s.parts) - 1
	if last < 0 || len(part) > cap(s.parts[last])-len(s.parts[last]) {
		// Not a buffer that grows: of a block's hex that made five times as
		// much garbage. A stream that comes in drops fills larger parts, too.
		s.parts = append(s.parts, make([]byte, 0, max(len(part), min(s.size, maxPart))))
		last++
	}
	s.parts[last] = append(s.parts[last], part...)
	s.size += len(part)
}

func (s *frameScan) frame() frame {
	if s.over {
		return frame{s.outline, true}
	}
	return frame{slices.Concat(s.parts...), false}
}
