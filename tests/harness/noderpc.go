package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// RPCError is an error of a JSON-RPC server, of the node or of a plugin.
type RPCError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error names the code and the message.
func (e *RPCError) Error() string { return fmt.Sprintf("error %d: %s", e.Code, e.Message) }

// nodeRPC speaks bitcoind's JSON-RPC over HTTP, which btcd speaks too.
type nodeRPC struct {
	address        string // host:port
	user, password string // where cookie is empty
	cookie         string // path of bitcoind's cookie file
	http           *http.Client
}

func newNodeRPC(address string) *nodeRPC {
	return &nodeRPC{address: address, http: &http.Client{Timeout: Patience}}
}

func (r *nodeRPC) credentials() (user, password string, err error) {
	if r.cookie == "" {
		return r.user, r.password, nil
	}
	b, err := os.ReadFile(r.cookie)
	if err != nil {
		return "", "", err
	}
	user, password, ok := strings.Cut(string(b), ":")
	if !ok {
		return "", "", fmt.Errorf("%s holds no user:password", r.cookie)
	}
	return user, password, nil
}

// call returns an *RPCError when the node itself refused.
func (r *nodeRPC) call(ctx context.Context, result any, method string, params ...any) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "1.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	user, password, err := r.credentials()
	if err != nil {
		return err
	}
	request.SetBasicAuth(user, password)
	request.Header.Set("Content-Type", "application/json")
	return r.answer(request, result)
}

func (r *nodeRPC) answer(request *http.Request, result any) error {
	response, err := r.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Result json.RawMessage
		Error  *RPCError
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("HTTP %s: %w", response.Status, err)
	}
	if answer.Error != nil {
		return answer.Error
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

// drop closes idle connections: a node that was stopped has closed its end.
func (r *nodeRPC) drop() { r.http.CloseIdleConnections() }

// ready polls until the node answers.
func (r *nodeRPC) ready(ctx context.Context, alive func() bool) error {
	var last error
	ok := Eventually(ctx, Patience, func() bool {
		last = r.call(ctx, nil, "getblockcount")
		return last == nil || !alive()
	})
	if !ok || !alive() {
		return fmt.Errorf("the node is not ready within %v (running: %v): %w", Patience, alive(), last)
	}
	return nil
}
