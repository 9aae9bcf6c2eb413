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

// parseFlags reads the flags of a command into options, and what comes without a
// name into those of positional, in order, before, between or after flags; help
// for a person goes to out.
func parseFlags(command, about string, args []string, list []option, positional []string, out io.Writer) (raw, error) {
	r := defaults()
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, o := range list {
		take := func(value string) error {
			r[o.name] = value
			return nil
		}
		if o.toggle {
			set.BoolFunc(o.name, o.help, take)
		} else {
			set.Func(o.name, o.help, take)
		}
	}
	for _, o := range list {
		r[o.name] = o.fallback
	}
	for len(args) > 0 {
		err := set.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, errors.Join(errHelp, printHelp(command, about, list, out))
		}
		if err != nil {
			return nil, fmt.Errorf("%w: see `vigil %s --help`", err, command)
		}
		if args = set.Args(); len(args) == 0 {
			break
		}
		if len(positional) == 0 {
			return nil, fmt.Errorf("%.40q is one too many: see `vigil %s --help`", args[0], command)
		}
		r[positional[0]], positional, args = args[0], positional[1:], args[1:]
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
