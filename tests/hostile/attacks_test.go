package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"vigil/tests/harness"
)

// attack is what so many soldiers do, each on one connection after the other.
type attack struct {
	name     string
	soldiers int
	// pause is between two connections of a soldier: the machine has to be
	// there for the tower and for honest users, too.
	pause time.Duration
	// on is how much the count must show before the attack is on.
	on   int64
	what string // is counted
	// fight does harm until ctx or the connection ends.
	fight func(ctx context.Context, c *weapon, soldier int)
}

type enemy struct {
	address string
	count   atomic.Int64
}

// weapon is a connection of an attacker.
type weapon struct {
	*net.TCPConn
	count   *atomic.Int64
	release func() bool
}

// dial returns nil where no connection came about.
func (e *enemy) dial(ctx context.Context) *weapon {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(attackersHome)}, Timeout: harness.Patience}
	conn, err := dialer.DialContext(ctx, "tcp", e.address)
	if err != nil {
		return nil
	}
	c := &weapon{conn.(*net.TCPConn), &e.count, nil}
	c.release = context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	return c
}

// end leaves no port behind that waits.
func (c *weapon) end() {
	c.release()
	_ = c.SetLinger(0)
	_ = c.Close()
}

func (c *weapon) send(text string) bool {
	_, err := io.WriteString(c, text)
	return err == nil
}

// listen reads until the server closes the connection.
func (c *weapon) listen() { _, _ = io.Copy(io.Discard, c) }

// post is a request with a body of this length announced.
func post(path string, length int, body string) string {
	return fmt.Sprintf("POST /%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, length, body)
}

// largestBody is what the body of add_appointment may have.
const largestBody = 4096 + 2*65536

// full makes a text as long as a body may be.
func full(head, repeated string) string {
	return head + strings.Repeat(repeated, (largestBody-len(head))/len(repeated))
}

func attacks(u *underAttack) []attack {
	const ping, ms = "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", time.Millisecond
	greatHead := strings.TrimSuffix(ping, "\r\n") + strings.Repeat("X: "+strings.Repeat("y", 90)+"\r\n", 80) + "\r\n"
	garbage := post("register", 2, "{}") + "\x00\xff\x16\x03 garbage\r\n\r\n{}[]"
	greatBody := post("add_appointment", largestBody, full("{", " ")[:largestBody-100])
	return []attack{
		{"idle connections", 2500, 300 * ms, 2500, "connections", idle},
		{"slow heads", 700, 300 * ms, 700, "connections", slow("POST /register HTTP/1.1\r\nHost: x\r\nX: ")},
		{"slow bodies", 700, 300 * ms, 700, "connections", slow(greatBody)},
		{"busy connections", 700, 100 * ms, 1500, "requests", ask(ping, 200*ms)},
		{"large bodies", 64, 100 * ms, 150, "connections", large},
		{"pipelined requests", 64, 100 * ms, 1000, "requests", pipeline(ping, garbage)},
		{"cut connections", 64, 30 * ms, 500, "connections", cut},
		{"answers that are not read", 700, 300 * ms, 700, "connections", deaf(u)},
		{"heads at their limit", 64, 100 * ms, 500, "requests", pipeline(greatHead)},
		{"bodies that try the parser", 9, 100 * ms, 200, "requests", pipeline(bodies()...)},
	}
}

// bodies are such that try a parser, in requests.
func bodies() []string {
	const locator = `"locator":"00112233445566778899aabbccddeeff"`
	var requests []string
	for _, body := range []string{
		full("", "["),
		full(`{"appointment":`, `{"a":`),
		full("", "[")[:largestBody/2] + full("", "]")[:largestBody/2],
		full(`{"appointment":{}`, `,"appointment":{}`) + "}",
		manyKeys(),
		full(`{"signature":"`, "\xff\xfe\xc0\x80\xed\xa0\x80") + `"}`,
		full(`{"signature":"`, `\ud800\u0000`) + `"}`,
		full(`{"appointment":{"locator":"00","encrypted_blob":"00","to_self_delay":`, "9") + "}}",
		full(`{"appointment":{`+locator+`,"to_self_delay":20,"encrypted_blob":"`, "ab")[:largestBody-20] + `"},"signature":"x"}`,
	} {
		requests = append(requests, post("add_appointment", len(body), body))
	}
	return requests
}

func manyKeys() string {
	var b strings.Builder
	b.WriteString(`{"appointment":{}`)
	for i := 0; b.Len() < largestBody-20; i++ {
		fmt.Fprintf(&b, `,"%x":0`, i)
	}
	return b.String() + "}"
}

func idle(_ context.Context, c *weapon, _ int) { c.count.Add(1); c.listen() }

// slow sends a beginning, and then next to nothing.
func slow(beginning string) func(context.Context, *weapon, int) {
	return func(ctx context.Context, c *weapon, _ int) {
		c.count.Add(1)
		if c.send(beginning) {
			go every(ctx, 200*time.Millisecond, func() bool { return c.send(" ") })
			c.listen()
		}
	}
}

// ask keeps a connection busy with small requests.
func ask(request string, period time.Duration) func(context.Context, *weapon, int) {
	return func(ctx context.Context, c *weapon, _ int) {
		go every(ctx, period, func() bool { c.count.Add(1); return c.send(request) })
		c.listen()
	}
}

// pipeline sends requests without waiting for an answer, and reads the answers.
// Each soldier has one of the requests.
func pipeline(requests ...string) func(context.Context, *weapon, int) {
	const burst = 16
	return func(ctx context.Context, c *weapon, soldier int) {
		go every(ctx, 200*time.Millisecond, func() bool {
			for range burst {
				if !c.send(requests[soldier%len(requests)]) {
					return false
				}
				c.count.Add(1)
			}
			return true
		})
		c.listen()
	}
}

// large sends bodies over every limit: announced, without an end, and announced
// to somebody who should ask for them.
func large(_ context.Context, c *weapon, soldier int) {
	c.count.Add(1)
	const typed = "POST /add_appointment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	heads := []string{
		typed + "Content-Length: 9000000000000\r\n\r\n",
		typed + "Transfer-Encoding: chunked\r\n\r\n",
		typed + "Content-Length: 9000000000000\r\nExpect: 100-continue\r\n\r\n",
		"POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n",
	}
	if !c.send(heads[soldier%len(heads)]) {
		return
	}
	go func() {
		chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<16, strings.Repeat(" ", 1<<16))
		for range 200 {
			if !c.send(chunk) {
				return
			}
		}
	}()
	c.listen()
}

// cut breaks connections off at every point of a request.
func cut(_ context.Context, c *weapon, soldier int) {
	request := post("add_appointment", 500, strings.Repeat(" ", 500))
	count := c.count.Add(1)
	c.send(request[:(int(count)*7+soldier)%len(request)])
}

// deaf asks for long answers and never reads.
func deaf(u *underAttack) func(context.Context, *weapon, int) {
	get := mustJSON(u.rich.GetRequest(u.large.Locator))
	var info recorder
	_, _ = u.rich.At(&info).Info(u.Context()) // fails: the recorder does not answer
	return func(ctx context.Context, c *weapon, soldier int) {
		c.count.Add(1)
		_ = c.SetReadBuffer(4 << 10)
		request := post("get_appointment", len(get), get)
		if soldier%2 == 0 {
			request = post("get_subscription_info", len(info.body), info.body)
		}
		if c.send(strings.Repeat(request, 4)) {
			every(ctx, 100*time.Millisecond, func() bool { return c.send(" ") })
		}
	}
}

// recorder is a door that only notes what is asked.
type recorder struct{ body string }

// Ask notes the body.
func (r *recorder) Ask(_ context.Context, _ string, body any) (harness.Answer, error) {
	r.body = mustJSON(body)
	return harness.Answer{}, errRecorded
}

var errRecorded = errors.New("noted, and not asked")
