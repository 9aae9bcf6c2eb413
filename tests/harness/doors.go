package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Door is a way to a tower's public API: HTTP, or a node's RPC methods.
type Door interface {
	// Ask sends a body to the endpoint, or method, of this name.
	Ask(ctx context.Context, method string, body any) (Answer, error)
}

// Answer is what came back.
type Answer struct {
	// Status is the HTTP status; of an RPC method 200, or 0 for an error.
	Status int
	Header http.Header
	// Body is the body or the method's result. The error of a method is put
	// into the form that HTTP gives it.
	Body []byte
}

// Refusal is an answer of the tower that refuses a request.
type Refusal struct {
	Status int
	Code   int    // error_code; 0 where there is none
	Text   string // error
	Body   []byte
}

// Error names the status, the code and the text.
func (r *Refusal) Error() string {
	return fmt.Sprintf("refused: status %d, error_code %d: %s", r.Status, r.Code, r.Text)
}

// Code returns the error_code of a refusal; 0 for any other error and for nil.
func Code(err error) int {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return 0
}

// PutOff tells whether the tower, too busy for now, made a client keep its
// appointment and come again.
func PutOff(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal) && strings.Contains(refusal.Text, "keep this one")
}

// refusal is nil for a success.
func (a Answer) refusal() error {
	if a.Status == http.StatusOK {
		return nil
	}
	var fields struct {
		Error     string
		ErrorCode int `json:"error_code"`
	}
	if err := json.Unmarshal(a.Body, &fields); err != nil {
		return fmt.Errorf("status %d without a body of the protocol: %.300q", a.Status, a.Body)
	}
	return &Refusal{Status: a.Status, Code: fields.ErrorCode, Text: fields.Error, Body: a.Body}
}

// HTTPDoor is a tower's HTTP API at a base URL without a slash at its end.
type HTTPDoor string

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

var httpClient = &http.Client{Timeout: Patience}

// Ask posts body as JSON; a []byte is posted as it is.
func (d HTTPDoor) Ask(ctx context.Context, method string, body any) (Answer, error) {
	raw, ok := body.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return Answer{}, err
		}
	}
	return d.Send(ctx, http.MethodPost, method, "application/json", raw)
}

// Send sends any request.
func (d HTTPDoor) Send(ctx context.Context, verb, path, contentType string, body []byte) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, verb, string(d)+"/"+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", contentType)
	response, err := httpClient.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return Answer{Status: response.StatusCode, Header: response.Header, Body: read}, err
}

// Ping tells whether the tower says that it is ready.
func (d HTTPDoor) Ping(ctx context.Context) bool {
	answer, err := d.Send(ctx, http.MethodGet, "ping", "", nil)
	return err == nil && answer.Status == http.StatusOK
}

// RPCDoor is the same API as methods of a Lightning node.
type RPCDoor struct{ Lightningd }

// Ask calls the method with the body as its named parameters.
func (d RPCDoor) Ask(ctx context.Context, method string, body any) (Answer, error) {
	if raw, ok := body.([]byte); ok {
		body = json.RawMessage(raw)
	}
	var result json.RawMessage
	err := d.Call(ctx, method, body, &result)
	var refused *RPCError
	if !errors.As(err, &refused) {
		return Answer{Status: http.StatusOK, Body: result}, err
	}
	if refused.Code <= -32000 || strings.HasPrefix(refused.Message, "Plugin terminated") {
		return Answer{}, err
	}
	fields, err := json.Marshal(map[string]any{"error": refused.Message, "error_code": refused.Code})
	return Answer{Body: fields}, err
}
