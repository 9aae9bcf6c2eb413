package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// errHelp says that the help was asked for and printed.
var errHelp = errors.New("help was printed")

// parseFlags reads the flags of a command into options; help for a person goes
// to out.
func parseFlags(command, about string, args []string, list []option, out io.Writer) (raw, error) {
	r := defaults()
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, o := range list {
		set.Func(o.name, o.help, func(value string) error {
			r[o.name] = value
			return nil
		})
	}
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil, errors.Join(errHelp, printHelp(command, about, list, out))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: see `vigil %s --help`", err, command)
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("%q is no option: see `vigil %s --help`", set.Arg(0), command)
	}
	return r, nil
}

const helpWidth = 72

func printHelp(command, about string, list []option, out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: vigil %s [--option value ...]\n\n%s\n", command, about)
	for _, o := range list {
		fmt.Fprintf(&b, "\n  --%s", o.name)
		if o.fallback != "" {
			fmt.Fprintf(&b, " (default %s)", o.fallback)
		}
		fmt.Fprintf(&b, "\n%s", wrap(o.help, helpWidth, "      "))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// wrap breaks text into indented lines.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width && line != indent {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	return b.String()
}

// dataDir returns the data directory of a tower of its own.
func dataDir(r raw) (string, error) {
	if r["data-dir"] != "" {
		return r["data-dir"], nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home directory: name one with --data-dir: %w", err)
	}
	return filepath.Join(home, ".vigil", directoryOf(r["network"])), nil
}
