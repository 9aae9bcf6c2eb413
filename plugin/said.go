package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"vigil/internal/operator"
)

// unreadable says what a file is that can't be read, and why, without the name of
// the call that failed.
func unreadable(what string, err error) error {
	var call *fs.PathError
	if errors.As(err, &call) {
		err = fmt.Errorf("%s: %w", call.Path, call.Err)
	}
	return fmt.Errorf("%s can't be read: %w", what, err)
}

// said is an error as the shell says it, with nothing in it that does something to a
// terminal.
func said(ctx context.Context, err error) string {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return strings.Join(saidLines(err), "\n")
}

// saidLines are a line for each of several errors, or one. Only between errors is an
// end of a line one of ours.
func saidLines(err error) (lines []string) {
	joined, several := err.(interface{ Unwrap() []error })
	if !several {
		return []string{operator.Printable(err.Error())}
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		lines, texts = append(lines, saidLines(e)...), append(texts, e.Error())
	}
	if strings.Join(texts, "\n") != err.Error() { // not by errors.Join
		return []string{operator.Printable(err.Error())}
	}
	return lines
}
