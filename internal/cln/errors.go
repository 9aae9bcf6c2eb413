package cln

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Codes of errors that leave through lightningd: JSON-RPC 2.0 section 5.1 and
// lightningd's common/jsonrpc_errors.h. The last two are lightningd's own
// PLUGIN_ERROR and PLUGIN_TERMINATED.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeMethodNotFound = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
	CodePlugin         = -3
	CodeTerminated     = -4
)

// Error is a JSON-RPC error. A handler's error that is or wraps one leaves
// the plugin just so; of any other error the caller learns nothing.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	// Data is any value that encoding/json can encode; nil leaves it out.
	Data any `json:"data,omitempty"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s (code %d)", e.Message, e.Code) }

// RPCError is an error that lightningd answered.
type RPCError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (e *RPCError) Error() string {
	return fmt.Sprintf("lightningd: %s (code %d)", oneLine(news(e.Message), 500), e.Code)
}

// ofCLI matches what lightningd's plugin for bitcoind tells of a bitcoin-cli that
// failed: its command line, what is wrong, and what it printed.
var ofCLI = regexp.MustCompile(`(?s)^.+?: (command failed|bad JSON: .*?) \((.*?)\)?$`)

// maxNews is how much of a message is looked at, in bytes.
const maxNews = 4096

// news leaves the command line out of such a message, and what bitcoin-cli says after
// its first paragraph.
func news(message string) string {
	m := ofCLI.FindStringSubmatch(message[:min(len(message), maxNews)])
	if m == nil {
		return message
	}
	printed, _, _ := strings.Cut(strings.TrimSpace(m[2]), "\n\n")
	parts := append([]string{"bitcoin-cli:", m[1] + ":"}, strings.Fields(printed)...)
	return strings.TrimSuffix(strings.Join(parts, " "), ":")
}

var (
	errInternal = &Error{Code: CodeInternal, Message: "internal error; see the log"}
	errBusy     = &Error{Code: CodePlugin, Message: "too many calls at once; try again"}
	errEarly    = &Error{Code: CodePlugin, Message: "the plugin is not initialised yet; try again"}
	errSlow     = &Error{Code: CodePlugin, Message: "the call took too long; try again"}
	errStopping = &Error{Code: CodeTerminated, Message: "the plugin is stopping"}
)
