package teos

import (
	"errors"
	"fmt"
)

// Error is why a request was not served. It crosses all layers unchanged;
// each edge (HTTP, JSON-RPC, gRPC) translates it in one place.
type Error struct {
	Cause Cause
	// Text is for the caller, in the caller's words.
	Text string
	// Dialect of the user where it is known.
	Dialect Dialect
	// User is who seems to have asked, where that could be recovered from
	// the signature of a request that was refused for something else. It
	// serves to find the dialect, and proves nothing.
	User *UserID
}

// Errorf makes an Error with a text.
func Errorf(c Cause, format string, args ...any) *Error {
	return &Error{Cause: c, Text: fmt.Sprintf(format, args...)}
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// In returns e for a user of a dialect.
func (e *Error) In(d Dialect) *Error {
	known := *e
	known.Dialect = d
	return &known
}

// AsError returns the Error in err's chain. An error without one is a defect
// or a failure of ours: its text stays inside, and Internal is what leaves.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Errorf(Internal, "the tower could not serve this request; its operator finds the reason in the log")
}
