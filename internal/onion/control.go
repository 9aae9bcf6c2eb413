package onion

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Limits of what the control port may say, in bytes and in lines.
const (
	maxLine  = 8 << 10
	maxLines = 256
)

// control is a connection to Tor's control port (control-spec).
type control struct {
	conn net.Conn
	in   *bufio.Reader
	wait time.Duration // that a command may take
}

// dial connects to host:port, or to a Unix socket by its path.
func dial(ctx context.Context, address string, wait time.Duration) (*control, error) {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newControl(conn, wait), nil
}

func newControl(conn net.Conn, wait time.Duration) *control {
	return &control{conn: conn, in: bufio.NewReaderSize(conn, maxLine), wait: wait}
}

// Close ends the connection, and with it the services that it offers.
func (c *control) Close() error { return c.conn.Close() }

// refusal is an answer of Tor's that is no success.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return fmt.Sprintf("tor answers %d: %s", r.code, cut(r.text)) }

// cut bounds what is shown of foreign text.
func cut(text string) string {
	const most = 200
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}

var errReply = errors.New("what answers at tor-control is not Tor's control port")

// ask sends a command and returns the lines of its answer, without their
// codes; one that is no success is a *refusal.
func (c *control) ask(command string) ([]string, error) {
	if err := c.conn.SetDeadline(time.Now().Add(c.wait)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write([]byte(command + "\r\n")); err != nil {
		return nil, err
	}
	for {
		code, lines, err := readReply(c.in)
		if err != nil {
			return nil, err
		}
		switch {
		case code/100 == 2:
			return lines, nil
		case code/100 != 6: // 6 is an event that nobody asked for
			return nil, &refusal{code: code, text: lines[len(lines)-1]}
		}
	}
}

// readReply reads lines up to the one that ends a reply. Data after a line
// with a plus sign is left out, up to its single dot.
func readReply(in *bufio.Reader) (code int, lines []string, err error) {
	for range maxLines {
		line, err := readLine(in)
		if err != nil {
			return 0, nil, err
		}
		if len(line) < 4 {
			return 0, nil, errReply
		}
		if code, err = strconv.Atoi(line[:3]); err != nil || code < 100 {
			return 0, nil, errReply
		}
		lines = append(lines, line[4:])
		switch line[3] {
		case ' ':
			return code, lines, nil
		case '-':
		case '+':
			data, err := readData(in)
			if err != nil {
				return 0, nil, err
			}
			lines[len(lines)-1] += strings.Join(data, "\n")
		default:
			return 0, nil, errReply
		}
	}
	return 0, nil, errReply
}

// readData reads lines up to a single dot.
func readData(in *bufio.Reader) (lines []string, err error) {
	for range maxLines {
		line, err := readLine(in)
		if err != nil {
			return nil, err
		}
		if line == "." {
			return lines, nil
		}
		lines = append(lines, strings.TrimPrefix(line, "."))
	}
	return nil, errReply
}

func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errReply
	}
	if err != nil {
		return "", fmt.Errorf("tor's control port closed the connection: %w", err)
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// field returns the value of NAME=value or NAME="value" in a line of an
// answer, "" where there is none.
func field(line, name string) string {
	for line != "" {
		var word string
		word, line = nextWord(line)
		if value, found := strings.CutPrefix(word, name+"="); found {
			return unquote(value)
		}
	}
	return ""
}

// nextWord cuts a line at the first space that is not in quotes.
func nextWord(line string) (word, rest string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case ' ':
			if !quoted {
				return line[:i], line[i+1:]
			}
		}
	}
	return line, ""
}

// unquote reads a quoted string with the escapes of C; others stay as they
// are.
func unquote(text string) string {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return text
	}
	var b strings.Builder
	for text = text[1 : len(text)-1]; text != ""; {
		if text[0] != '\\' || len(text) == 1 {
			b.WriteByte(text[0])
			text = text[1:]
			continue
		}
		var c byte
		c, text = escaped(text[1:])
		b.WriteByte(c)
	}
	return b.String()
}

// escaped reads what stands after a backslash.
func escaped(text string) (c byte, rest string) {
	if len(text) >= 3 {
		if n, err := strconv.ParseUint(text[:3], 8, 8); err == nil {
			return byte(n), text[3:]
		}
	}
	switch text[0] {
	case 'n':
		return '\n', text[1:]
	case 'r':
		return '\r', text[1:]
	case 't':
		return '\t', text[1:]
	}
	return text[0], text[1:]
}
