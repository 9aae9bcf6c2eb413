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

// parseFlags reads the flags of a command, named with what stands behind it, into options, and what comes without a
// name into those of positional, in order, before, between or after flags; help
// for a person goes to out.
func parseFlags(command, about string, args []string, list []option, positional []string, out io.Writer) (raw, error) {
	r := defaults()
	name, _, _ := strings.Cut(command, " ")
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, o := range list {
		take := func(value string) error {
			if o.filled && value == "" {
				return fmt.Errorf("--%s needs the name of a file", o.name)
			}
			r[o.name] = value
			return nil
		}
		for _, name := range spellings(o.name) {
			if o.toggle {
				set.BoolFunc(name, o.help, take)
			} else {
				set.Func(name, o.help, take)
			}
		}
	}
	for _, o := range list {
		r[o.name] = o.fallback
	}
	if err := swallowed(args, list); err != nil {
		return nil, fmt.Errorf("%w: see `vigil %s --help`", err, name)
	}
	for len(args) > 0 {
		err := set.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, errors.Join(errHelp, printHelp(command, about, list, out))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: see `vigil %s --help`", flagError(err), name)
		}
		if args = set.Args(); len(args) == 0 {
			break
		}
		if len(positional) == 0 {
			return nil, fmt.Errorf("%.40q is one too many: see `vigil %s --help`", hushed(args[0]), name)
		}
		r[positional[0]], positional, args = args[0], positional[1:], args[1:]
	}
	return r, nil
}

// flagName is the flag of a method's parameter.
func flagName(param string) string { return strings.ReplaceAll(param, "_", "-") }

// spellings are the names by which a flag is taken: with underscores, too, as
// parameters are written for lightning-cli.
func spellings(name string) []string {
	if other := strings.ReplaceAll(name, "-", "_"); other != name {
		return []string{name, other}
	}
	return []string{name}
}

// flagError says in our words what package flag found wrong.
func flagError(err error) string {
	text := err.Error()
	if name, found := strings.CutPrefix(text, "flag provided but not defined: -"); found {
		return fmt.Sprintf("there is no option --%.40s", name)
	}
	if name, found := strings.CutPrefix(text, "flag needs an argument: -"); found {
		return fmt.Sprintf("--%s needs a value", name)
	}
	if bad, found := strings.CutPrefix(text, "bad flag syntax: "); found {
		return fmt.Sprintf("%.40q is no option", hushed(bad))
	}
	if _, cause, found := strings.Cut(text, ": "); found && strings.HasPrefix(text, "invalid ") {
		return cause
	}
	return text
}

const helpWidth = 72

func printHelp(command, about string, list []option, out io.Writer) error {
	var b strings.Builder
	if !strings.Contains(about, "\n") {
		about = strings.TrimSuffix(wrap(about, helpWidth, ""), "\n")
	}
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
	home, err := homeDir()
	return filepath.Join(home, ".vigil", directoryOf(r["network"])), err
}

func homeDir() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		err = fmt.Errorf("no home directory: name one with --data-dir: %w", err)
	}
	return home, err
}

// towerDir returns the data directory of the tower to ask: where none is named,
// that of a tower of its own or, if only that is there, of one in a node.
func towerDir(r raw) (string, error) {
	dir, err := dataDir(r)
	if err != nil || r["data-dir"] != "" || exists(filepath.Join(dir, socketFile)) {
		return dir, err
	}
	home, err := homeDir()
	if inNode := filepath.Join(home, ".lightning", directoryOf(r["network"]), "vigil"); exists(filepath.Join(inNode, socketFile)) {
		return inNode, err
	}
	return dir, err
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
