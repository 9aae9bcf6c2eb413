package bitcoind

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

const (
	// callTimeout bounds one call. bitcoind answers a block of 4 MB in
	// well under a second, but may validate for many while it holds its lock.
	callTimeout = 30 * time.Second
	// maxAnswer bounds an answer in bytes: a block of 4,000,000 bytes is
	// twice that in hex.
	maxAnswer = 16 << 20
	// readSize is how much of an answer is read at once, in bytes.
	readSize = 32 << 10
	// maxErrorText bounds what a backend can put into an error, in bytes.
	maxErrorText = 200
)

// Errors of a backend that does answer, but not as it should.
var (
	// ErrUnauthorized says that the backend refuses the credentials.
	ErrUnauthorized = errors.New("not authorised: check rpcuser and rpcpassword, or that the cookie file is this node's")
	// ErrBadAnswer says that the answer is not the one that the call has.
	ErrBadAnswer = errors.New("unusable answer")
)

// RPCError is an error that the backend itself reports. Its text is cut to
// 200 printable bytes.
type RPCError struct {
	Code    int
	Message string
}

// Error implements error.
func (e *RPCError) Error() string {
	return fmt.Sprintf("error %d: %s", e.Code, e.Message)
}

func hasCode(err error, codes ...int) bool {
	var e *RPCError
	return errors.As(err, &e) && slices.Contains(codes, e.Code)
}

type request struct {
	Version string `json:"jsonrpc"`
	ID      string `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

type response struct {
	Result json.RawMessage `json:"result"`
	Error  *RPCError       `json:"error"`
}

// newHTTPClient talks to the one node only: through no proxy of the
// environment, after no redirect, and with no connection that bitcoind, which
// closes idle ones after 30 s, may be about to close.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxConnsPerHost:     lanes + 3, // neither blocks nor the wait for them stand behind penalties
			MaxIdleConnsPerHost: lanes + 3,
			IdleConnTimeout:     10 * time.Second,
			DisableCompression:  true,

			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call makes one call and unmarshals its result. If the credentials are
// refused and the cookie file holds others by now, it tries once more.
func (c *Client) call(ctx context.Context, result any, method string, params ...any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.tryCall(ctx, result, method, params); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

func (c *Client) tryCall(ctx context.Context, result any, method string, params []any) error {
	body, err := json.Marshal(request{Version: "1.0", ID: "vigil", Method: method, Params: params})
	if err != nil {
		return err
	}
	login, err := c.credentials.current()
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, body, login, result)
	if errors.Is(err, ErrUnauthorized) && c.credentials.renewed(login) {
		if login, err = c.credentials.current(); err != nil {
			return err
		}
		answer, err = c.post(ctx, body, login, result)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("%w: result of another type", ErrBadAnswer)
	}
	return nil
}

// post returns the result of a call in JSON, never null. Where that is to go
// into a hexText, it may have put it there, and returns an empty string.
func (c *Client) post(ctx context.Context, body []byte, login login, result any) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(login.user, login.password)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		return nil, ErrUnauthorized
	}
	answer, err := readAnswer(resp, result)
	if err != nil {
		return nil, err
	}
	return parseAnswer(resp.StatusCode, answer)
}

// readAnswer reads an answer, without its result where that went into a
// hexText.
func readAnswer(resp *http.Response, result any) (answer []byte, err error) {
	body := &io.LimitedReader{R: resp.Body, N: maxAnswer + 1}
	if long, ok := result.(*hexText); ok && resp.StatusCode == http.StatusOK {
		answer, err = long.readAround(bufio.NewReaderSize(body, readSize), resp.ContentLength)
	} else {
		answer, err = io.ReadAll(body)
	}
	if body.N <= 0 {
		return nil, fmt.Errorf("%w: above %d bytes", ErrBadAnswer, maxAnswer)
	}
	return answer, err
}

// parseAnswer looks for an error before the status: bitcoind sends most RPC
// errors as 500 or 404, btcd as 200.
func parseAnswer(status int, answer []byte) (json.RawMessage, error) {
	var r response
	err := json.Unmarshal(answer, &r)
	switch {
	case err == nil && r.Error != nil:
		r.Error.Message = clip(r.Error.Message, maxErrorText)
		return nil, r.Error
	case status != http.StatusOK:
		return nil, fmt.Errorf("%w: HTTP status %d: %s", ErrBadAnswer, status, clip(string(answer), maxErrorText))
	case err != nil:
		return nil, fmt.Errorf("%w: not JSON-RPC", ErrBadAnswer)
	case len(r.Result) == 0 || string(r.Result) == "null":
		return nil, fmt.Errorf("%w: no result", ErrBadAnswer)
	}
	return r.Result, nil
}

// clip makes foreign text fit for a log: at most n bytes, all printable.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
