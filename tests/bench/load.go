package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// post is a request as it is written to a connection. It is made before the
// clock starts, so that the clients take as little of the machine as they can.
func post(address, method string, body []byte) []byte {
	return fmt.Appendf(nil, "POST /%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, address, len(body), body)
}

// client is one connection that is kept.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

// slow is when a client gives up.
const slow = 30 * time.Second

func dial(address string) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReader(conn)}, nil
}

// ask sends a request and returns the body of the answer, which must be 200.
func (c *client) ask(request []byte) ([]byte, error) {
	_ = c.conn.SetDeadline(time.Now().Add(slow))
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	status, length := "", 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if len(line) <= 2 {
			break
		}
		if status == "" {
			status = strings.TrimSpace(string(line))
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && string(name) == "Content-Length" {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200") {
		return nil, &refusal{status, string(body)}
	}
	return body, nil
}

// refusal is any answer but 200.
type refusal struct{ status, body string }

func (r *refusal) Error() string { return r.status + ": " + r.body }

// answered is a request's answer and how long it took.
type answered struct {
	body []byte
	took time.Duration
}

// result is what a load came to.
type result struct {
	wall, cpu time.Duration // cpu is the tower's
	answers   []answered    // by the request's number; what was not asked is empty
	asked     int
}

func (r result) perSecond() float64     { return float64(r.asked) / r.wall.Seconds() }
func (r result) cpuEach() time.Duration { return r.cpu / time.Duration(max(1, r.asked)) }
func (r result) times() []time.Duration {
	var took []time.Duration
	for _, a := range r.answers {
		if a.body != nil {
			took = append(took, a.took)
		}
	}
	return took
}

// join adds what another load came to.
func (r *result) join(other result) {
	r.wall, r.cpu, r.asked = r.wall+other.wall, r.cpu+other.cpu, r.asked+other.asked
	r.answers = append(r.answers, other.answers...)
}

// load sends requests over so many connections at once, in their order, until
// all are answered or the time is over. meanwhile is called with each answer.
func (b *bench) load(t *served, clients int, requests [][]byte, most time.Duration, meanwhile func(n int, body []byte)) result {
	b.Helper()
	conns := make([]*client, clients)
	for i := range conns {
		var err error
		conns[i], err = dial(t.address)
		b.check("dial the tower", err)
		defer conns[i].conn.Close()
	}
	r := result{answers: make([]answered, len(requests))}
	var next atomic.Int64
	var all sync.WaitGroup
	before, start := t.cpu(), time.Now()
	for _, c := range conns {
		all.Go(func() {
			for time.Since(start) < most && b.ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(requests) {
					return
				}
				sent := time.Now()
				body, err := c.ask(requests[n])
				if err != nil {
					b.Errorf("request %d: %v", n, err)
					return
				}
				r.answers[n] = answered{body, time.Since(sent)}
				if meanwhile != nil {
					meanwhile(n, body)
				}
			}
		})
	}
	all.Wait()
	r.wall, r.cpu = time.Since(start), t.cpu()-before
	for _, a := range r.answers {
		if a.body != nil {
			r.asked++
		}
	}
	if b.Failed() || r.asked == 0 {
		b.Fatalf("the load has failed")
	}
	return r
}

// addMeanwhile hands appointments in over one connection until the function that
// it returns is called, which tells how long each took.
func (b *bench) addMeanwhile(t *served, users []user) (stop func() []time.Duration) {
	b.Helper()
	c, err := dial(t.address)
	b.check("dial the tower", err)
	var requests [][]byte
	for _, a := range newAdditions(users, 20_000) {
		requests = append(requests, post(t.address, "add_appointment", a.body))
	}
	ctx, cancel := context.WithCancel(b.ctx)
	var took []time.Duration
	var adding sync.WaitGroup
	adding.Go(func() {
		for i := 0; ctx.Err() == nil && i < len(requests); i++ {
			start := time.Now()
			if _, err := c.ask(requests[i]); err != nil {
				b.Errorf("an appointment during the breaches: %v", err)
				return
			}
			took = append(took, time.Since(start))
		}
	})
	return func() []time.Duration {
		cancel()
		adding.Wait()
		_ = c.conn.Close()
		return took
	}
}
