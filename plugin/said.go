package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// said is an error as the shell says it.
func said(ctx context.Context, err error) string {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return err.Error()
}
