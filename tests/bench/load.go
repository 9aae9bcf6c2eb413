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
// all are answered or the time is over. each is called with each answer.
func (b *bench) load(t *served, clients int, requests [][]byte, most time.Duration, each func(n int, body []byte)) result {
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
				if each != nil {
					each(n, body)
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

// meanwhile is how appointments fared that were handed in during something else.
type meanwhile struct {
	took    []time.Duration // of those that were taken
	refused int
}

// addMeanwhile hands appointments in over one connection until the function that
// it returns is called. One that is refused is handed in again a little later.
func (b *bench) addMeanwhile(t *served, users []user) (stop func() meanwhile) {
	b.Helper()
	var requests [][]byte
	for _, a := range newAdditions(users, 20_000) {
		requests = append(requests, post(t.address, "add_appointment", a.body))
	}
	ctx, cancel := context.WithCancel(b.ctx)
	var m meanwhile
	var adding sync.WaitGroup
	adding.Go(func() { m.add(ctx, t.address, requests) })
	return func() meanwhile {
		cancel()
		adding.Wait()
		return m
	}
}

func (m *meanwhile) add(ctx context.Context, address string, requests [][]byte) {
	const again = 50 * time.Millisecond
	tick := time.NewTicker(again)
	defer tick.Stop()
	var c *client
	for i := 0; ctx.Err() == nil && i < len(requests); {
		start := time.Now()
		if err := addOne(&c, address, requests[i]); err != nil {
			m.refused++
			<-tick.C
			continue
		}
		m.took = append(m.took, time.Since(start))
		i++
	}
	if c != nil {
		_ = c.conn.Close()
	}
}

// addOne dials where there is no connection, and leaves none after a failure.
func addOne(c **client, address string, request []byte) (err error) {
	if *c == nil {
		if *c, err = dial(address); err != nil {
			*c = nil
			return err
		}
	}
	if _, err = (*c).ask(request); err != nil {
		_ = (*c).conn.Close()
		*c = nil
	}
	return err
}
