// Command vigil is a watchtower. lightningd loads it as a plugin; run by hand
// it is a tower of its own over bitcoind, or asks a running one.
//
// This package is the only place where the parts are joined.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if os.Getenv("LIGHTNINGD_PLUGIN") != "" {
		err = newNode().Run(ctx, os.Stdin, os.Stdout)
	} else {
		err = command(ctx, os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vigil:", said(ctx, err))
		stop()
		os.Exit(1) //nolint:gocritic // stop is called just above
	}
}
