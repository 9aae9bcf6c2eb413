// Command vigil is a watchtower. lightningd loads it as a plugin; run by hand
// it is a tower of its own over bitcoind, or asks a running one.
//
// This package is the only place where the parts are joined.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"vigil/internal/operator"
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
		fmt.Fprintln(os.Stderr, "vigil:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop is called just above
	}
}

const usage = `vigil is a Lightning watchtower: it watches the chain for other nodes while
they are offline, and answers when their peer cheats.

Inside a Core Lightning node (nothing to configure):
  lightning-cli plugin start /path/to/vigil
  lightning-cli vigil-info

By itself, over bitcoind:
  vigil tower    [options]    run a tower                  (vigil tower --help)
  vigil info     [options]    what a running one guards    (vigil info --help)
  vigil breaches [options]    the breaches that it answers (vigil breaches --help)
  vigil version               print the version
  vigil help                  print this
`

// command runs one of the commands of the shell.
func command(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		args = []string{"help"}
	}
	switch args[0] {
	case "tower":
		return towerCommand(ctx, args[1:], out)
	case "import-teos":
		return importCommand(ctx, args[1:], out)
	case "restore":
		return restoreCommand(ctx, args[1:], out)
	case "version", "--version":
		_, err := fmt.Fprintln(out, version)
		return err
	case "help", "--help", "-h":
		_, err := io.WriteString(out, usage)
		return err
	default:
		if m, found := operator.Find(args[0]); found {
			return askCommand(ctx, m, args[1:], out)
		}
		return fmt.Errorf("there is no command %q: see `vigil help`", args[0])
	}
}
