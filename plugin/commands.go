package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"vigil/internal/operator"
)

// shellCommand is a command of the shell: help, completion and manual are made
// from these.
type shellCommand struct {
	name string
	// usage is what may stand behind the name without one of its own.
	usage string
	about string
	// options may stand anywhere; values are what a shell completes as the
	// first word behind the name, files says that it is a file's name.
	options []option
	values  []string
	files   bool
	run     func(ctx context.Context, args []string, out io.Writer) error
}

// words are the command as it is typed.
func (c shellCommand) words() string { return strings.TrimSpace(c.name + " " + c.usage) }

// summary is the first sentence of what it is about.
func (c shellCommand) summary() string {
	text := strings.Join(strings.Fields(c.about), " ")
	if end := strings.IndexAny(text, ".:;"); end > 0 {
		text = text[:end]
	}
	return text
}

// section is commands that belong together.
type section struct {
	title    string
	commands []shellCommand
}

// sections are all commands.
func sections() []section {
	list := []section{{"Running a tower", []shellCommand{
		{name: "tower", about: aboutTower, options: append(offered(standalone), confOption), run: towerCommand},
		{name: "import-teos", usage: "DIR", about: aboutImport, options: importOptions(), files: true, run: importCommand},
		{name: "restore", usage: "FILE", about: aboutRestore, options: restoreOptions(), files: true, run: restoreCommand},
	}}}
	for _, g := range operator.Groups() {
		s := section{title: g.Title}
		for _, m := range g.Methods {
			s.commands = append(s.commands, methodCommand(m))
		}
		if len(s.commands) > 0 {
			list = append(list, s)
		}
	}
	return append(list, section{"The program", []shellCommand{
		{name: "completion", usage: "SHELL", about: aboutCompletion, values: shells(), run: completionCommand},
		{name: "manual", about: aboutManual, run: manualCommand},
		{name: "version", about: "Prints the version.", run: versionCommand},
		{name: "help", usage: "[COMMAND]", about: "Prints this, or what a command does and takes.", run: helpCommand},
	}})
}

func methodCommand(m operator.Method) shellCommand {
	c := shellCommand{
		name: m.Name, usage: m.Usage(), about: m.About, options: questionFlags(m),
		run: func(ctx context.Context, args []string, out io.Writer) error { return askCommand(ctx, m, args, out) },
	}
	if len(m.Params) > 0 {
		c.values, c.files = m.Params[0].Values, m.Params[0].File || m.Params[0].Path
	}
	return c
}

// findCommand returns a command by its name.
func findCommand(name string) (c shellCommand, found bool) {
	for _, s := range sections() {
		i := slices.IndexFunc(s.commands, func(c shellCommand) bool { return c.name == name })
		if i >= 0 {
			return s.commands[i], true
		}
	}
	return c, false
}

// command runs one of the commands of the shell.
func command(ctx context.Context, args []string, out io.Writer) error {
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "--version":
		name = "version"
	case "--help", "-h":
		name = "help"
	}
	c, found := findCommand(name)
	if !found {
		return unknown(name)
	}
	return c.run(ctx, args, out)
}

func versionCommand(_ context.Context, _ []string, out io.Writer) error {
	_, err := fmt.Fprintln(out, version)
	return err
}

const usage = `vigil is a Lightning watchtower: it watches the chain for other nodes while
they are offline, and answers when their peer cheats.

Inside a Core Lightning node (nothing to configure):
  lightning-cli plugin start /path/to/vigil
  lightning-cli vigil-info         and so on: what asks or tells a tower below

By itself, over bitcoind:
  vigil tower
  vigil info
`

const usageEnd = `
vigil COMMAND --help tells more, and the manual all of it (vigil manual). What asks
a tower prints text for people; with --json, what lightning-cli prints. The exit
status is 0, or 1 with the reason on standard error.
`

// helpCommand is `vigil help`.
func helpCommand(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		if c, found := findCommand(args[0]); found && c.name != "help" {
			return c.run(ctx, []string{"--help"}, out)
		}
		return unknown(args[0])
	}
	var b strings.Builder
	b.WriteString(usage)
	for _, s := range sections() {
		fmt.Fprintf(&b, "\n%s:\n", s.title)
		for _, c := range s.commands {
			b.WriteString(entry("  vigil "+c.words(), c.summary()))
		}
	}
	b.WriteString(usageEnd)
	_, err := io.WriteString(out, b.String())
	return err
}

// helpColumn is where what a command does begins.
const helpColumn = 34

// entry is a line of the help, or two where the first part is too long for one.
func entry(words, about string) string {
	text := wrap(about, helpColumn+44, strings.Repeat(" ", helpColumn))
	if len(words)+2 > helpColumn {
		return words + "\n" + text
	}
	return words + text[len(words):]
}
