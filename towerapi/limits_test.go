package towerapi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// reply reads the last answer on a connection: the server closes it, and does
// not reset it.
func (w wire) reply() reply {
	w.t.Helper()
	b := bufio.NewReader(w)
	response, err := http.ReadResponse(b, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r := readReply(w.t, response)
	if rest, err := io.ReadAll(b); err != nil || len(rest) != 0 {
		w.t.Fatalf("after the answer: %q, %v", rest, err)
	}
	return r
}

// pad makes a JSON object n bytes long.
func pad(body string, n int) string {
	return body[:len(body)-1] + strings.Repeat(" ", n-len(body)) + "}"
}

func TestBodyLimits(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	u := newUser(t, teos.V2)
	for path, c := range map[string]struct {
		body  string
		limit int
	}{
		"/register":              {u.register(), 4096},
		"/add_appointment":       {u.add(appointment(1)), 4096 + 2*maxBlob},
		"/get_appointment":       {u.get(appointment(1).Locator), 4096},
		"/get_subscription_info": {u.info(), 4096},
	} {
		t.Run(path, func(t *testing.T) {
			s.post(path, pad(c.body, c.limit)).is(t, http.StatusOK, 0)
			s.post(path, pad(c.body, c.limit+1)).is(t, http.StatusRequestEntityTooLarge, 34)
			s.post(path, pad(c.body, 1<<17)).is(t, http.StatusRequestEntityTooLarge, 34)
		})
	}
}

func TestLargestBlobFits(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	u := newUser(t, teos.V2)
	a := appointment(1)
	a.EncryptedBlob = bytes.Repeat([]byte{1}, maxBlob)
	s.post("/add_appointment", u.add(a)).is(t, http.StatusOK, 0)
	a.EncryptedBlob = append(a.EncryptedBlob, 1)
	s.post("/add_appointment", u.add(a)).is(t, http.StatusRequestEntityTooLarge, 34)
}

// A body that has no length in advance is bounded as well.
func TestChunkedBody(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	body := newUser(t, teos.V2).register()
	for _, c := range []struct{ size, status, code int }{
		{4096, http.StatusOK, 0}, {4097, http.StatusRequestEntityTooLarge, 34},
	} {
		w := s.dial()
		w.write("POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"+
			"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", c.size, pad(body, c.size))
		w.reply().is(t, c.status, c.code)
	}
}

func TestContentType(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	body := newUser(t, teos.V2).register()
	for contentType, isJSON := range map[string]bool{
		"application/json":                   true,
		"Application/JSON":                   true,
		"application/json; charset=utf-8":    true,
		"application/json;charset":           true,
		"application/vnd.teos+json":          true,
		"application/vnd.teos+json; v=1":     true,
		"":                                   false,
		"text/plain":                         false,
		"text/json":                          false,
		"text/x+json":                        false,
		"application/jsonp":                  false,
		"application/json, text/plain":       false,
		"application/x-www-form-urlencoded":  false,
		"multipart/form-data; boundary=json": false,
	} {
		t.Run(contentType, func(t *testing.T) {
			r := s.send(http.MethodPost, "/register", contentType, body)
			if isJSON {
				r.is(t, http.StatusOK, 0)
				return
			}
			r.is(t, http.StatusBadRequest, 6)
		})
	}
}

func TestBodiesThatTryTheParser(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	u, other := newUser(t, teos.V2), newUser(t, teos.V2)
	for name, c := range map[string]struct {
		body         string
		status, code int
	}{
		"empty":           {"", 400, 6},
		"cut off":         {u.register()[:20], 400, 6},
		"twice":           {u.register() + u.register(), 400, 6},
		"array":           {"[" + u.register() + "]", 400, 6},
		"null":            {"null", 400, 6},
		"deep":            {strings.Repeat("[", 4000), 400, 6},
		"deep but whole":  {pad(`{"x":`+strings.Repeat("[", 1500)+strings.Repeat("]", 1500)+`}`, 4000), 400, 1},
		"invalid UTF-8":   {"{\"user_id\":\"\xff\xfe\"}", 400, 5},
		"UTF-8 elsewhere": {"{\"x\":\"\xff\xfe\",\"user_id\":\"" + u.id().String() + "\"}", 200, 0},
		"byte order mark": {"\ufeff" + u.register(), 400, 6},
		"NUL":             {u.register() + "\x00", 400, 6},
	} {
		t.Run(name, func(t *testing.T) { s.post("/register", c.body).is(t, c.status, c.code) })
	}
	t.Run("duplicate keys: the last one counts", func(t *testing.T) {
		r := s.post("/register", fmt.Sprintf(`{"user_id":%q,"user_id":%q}`, other.id(), u.id()))
		r.is(t, http.StatusOK, 0)
		if !strings.Contains(r.raw, u.id().String()) || strings.Contains(r.raw, other.id().String()) {
			t.Fatalf("%v", r)
		}
	})
	t.Run("keys are compared exactly", func(t *testing.T) {
		s.post("/register", fmt.Sprintf(`{"USER_ID":%q}`, u.id())).is(t, http.StatusBadRequest, 1)
	})
}

func TestEveryPathAndVerbAnswersInJSON(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	for _, path := range []string{"/", "/register/", "//register", "/Register", "/add_appointment/x", "/favicon.ico"} {
		s.send(http.MethodGet, path, "", "").is(t, http.StatusNotFound, 6)
		s.post(path, "{}").is(t, http.StatusNotFound, 6)
	}
	for _, path := range []string{"/register", "/add_appointment", "/get_appointment", "/get_subscription_info"} {
		for _, verb := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace, "BREW"} {
			r := s.send(verb, path, "", "")
			r.is(t, http.StatusMethodNotAllowed, 6)
			if r.header.Get("Allow") != "POST" {
				t.Fatalf("%s %s: Allow is %q", verb, path, r.header.Get("Allow"))
			}
		}
		r := s.send(http.MethodHead, path, "", "")
		if r.status != http.StatusMethodNotAllowed || r.raw != "" || r.header.Get("Content-Type") != "application/json" {
			t.Fatalf("HEAD %s: %v %v", path, r, r.header)
		}
	}
	r := s.post("/ping", "{}")
	r.is(t, http.StatusMethodNotAllowed, 6)
	if r.header.Get("Allow") != "GET, HEAD" {
		t.Fatalf("Allow is %q", r.header.Get("Allow"))
	}
}

func TestPing(t *testing.T) {
	core := newFaultyTower()
	s := start(t, core, Config{}, quick())
	for _, verb := range []string{http.MethodGet, http.MethodHead} {
		if r := s.send(verb, "/ping", "", ""); r.status != http.StatusOK || r.raw != "" {
			t.Fatalf("%s: %v", verb, r)
		}
	}
	core.away.Store(true)
	s.send(http.MethodGet, "/ping", "", "").is(t, http.StatusServiceUnavailable, 32)
}

// net/http answers by itself, in plain text, what it can't read. What leaves
// is JSON all the same.
func TestRequestsThatNetHTTPRefuses(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	for name, c := range map[string]struct {
		request string
		status  int
		code    int
	}{
		"no HTTP":            {"hello\r\n\r\n", 400, 6},
		"TLS":                {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, 6},
		"no Host":            {"GET /ping HTTP/1.1\r\n\r\n", 400, 6},
		"two Hosts":          {"GET /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, 6},
		"bad header":         {"GET /ping HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400, 6},
		"bad length":         {"POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, 6},
		"two lengths":        {"POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, 6},
		"unknown encoding":   {"POST /register HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, 6},
		"unknown version":    {"GET /ping HTTP/3.7\r\nHost: x\r\n\r\n", 505, 6},
		"HTTP/2":             {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, 6},
		"unknown expectance": {"POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: more\r\n\r\n{}", 417, 6},
		"header too large":   {"GET /ping HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", maxHeader+8192) + "\r\n\r\n", 431, 6},
		"OPTIONS *":          {"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, 6},
		"CONNECT":            {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n", 404, 6},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.dial()
			w.t = t
			w.write("%s", c.request)
			w.reply().is(t, c.status, c.code)
		})
	}
	w := s.dial()
	w.write("GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: %s\r\n\r\n", strings.Repeat("x", maxHeader))
	w.reply().is(t, http.StatusOK, 0)
}

func TestSlowHead(t *testing.T) {
	tm := quick()
	tm.header = 300 * time.Millisecond
	s := start(t, &fakeTower{}, Config{}, tm)
	w := s.dial()
	w.write("POST /add_appointment HTTP/1.1\r\nHost: x\r\nX-Slow:")
	w.reply().is(t, http.StatusServiceUnavailable, 7)

	silent := s.dial()
	if rest, err := io.ReadAll(silent); err != nil || len(rest) != 0 {
		t.Fatalf("a connection on which nothing was asked got %q, %v", rest, err)
	}
}

func TestSlowBody(t *testing.T) {
	tm := quick()
	tm.read = 300 * time.Millisecond
	s := start(t, &fakeTower{}, Config{}, tm)
	for _, c := range []struct {
		path string
		code int
	}{{"/add_appointment", 7}, {"/register", 32}} {
		w := s.dial()
		w.write("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", c.path)
		w.reply().is(t, http.StatusServiceUnavailable, c.code)
	}
	s.stop()
	if strings.Contains(s.log.String(), "store") {
		t.Fatalf("a slow client made the store a suspect: %s", s.log)
	}
}

func TestIdleConnectionEnds(t *testing.T) {
	tm := quick()
	tm.idle = 20 * time.Millisecond
	s := start(t, &fakeTower{}, Config{}, tm)
	w := s.dial()
	w.write("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
	w.reply().is(t, http.StatusOK, 0)
}

func TestHTTP10(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	body := newUser(t, teos.V1).register()
	w := s.dial()
	w.write("POST /register HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	w.reply().is(t, http.StatusOK, 0)
	w = s.dial()
	w.write("GET /nowhere HTTP/1.0\r\n\r\n")
	w.reply().is(t, http.StatusNotFound, 6)
}

// A client that closes its half of the connection after the request still gets
// its receipt.
func TestHalfClosedConnection(t *testing.T) {
	gone := make(chan struct{})
	core := &fakeTower{add: func(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
		<-gone
		return tower.Acceptance{Locator: r.Appointment().Locator}, ctx.Err()
	}}
	s := start(t, core, Config{}, quick())
	body := newUser(t, teos.V2).add(appointment(1))
	w := s.dial()
	w.write("POST /add_appointment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		len(body), body)
	if err := w.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	close(gone)
	w.reply().is(t, http.StatusOK, 0)
}

func TestPipelining(t *testing.T) {
	s := start(t, &fakeTower{}, Config{}, quick())
	body := newUser(t, teos.V2).register()
	w := s.dial()
	w.write("POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"+
		"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"+
		"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", len(body), body)
	b := bufio.NewReader(w)
	for _, want := range []struct{ status, code int }{{200, 0}, {404, 6}, {200, 0}} {
		response, err := http.ReadResponse(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		readReply(t, response).is(t, want.status, want.code)
	}
	if _, err := b.ReadByte(); err != io.EOF {
		t.Fatalf("after the last answer: %v", err)
	}
}
