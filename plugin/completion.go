package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

const aboutCompletion = `Prints what makes a shell complete vigil's commands and options: bash, zsh or fish.

  bash   vigil completion bash > ~/.local/share/bash-completion/completions/vigil
  zsh    vigil completion zsh > a directory of $fpath, as _vigil
  fish   vigil completion fish > ~/.config/fish/completions/vigil.fish`

func shells() []string { return []string{"bash", "zsh", "fish"} }

// completionCommand is `vigil completion SHELL`.
func completionCommand(_ context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
		return printHelp("completion SHELL", aboutCompletion, nil, out)
	}
	if len(args) != 1 || !slices.Contains(shells(), args[0]) {
		return fmt.Errorf("for which shell? One of %s", strings.Join(shells(), ", "))
	}
	var all []shellCommand
	for _, s := range sections() {
		all = append(all, s.commands...)
	}
	write := map[string]func(*strings.Builder, []shellCommand){"bash": bash, "zsh": zsh, "fish": fish}[args[0]]
	var b strings.Builder
	write(&b, all)
	_, err := io.WriteString(out, b.String())
	return err
}

// bash completes words and leaves names of files to the shell.
func bash(b *strings.Builder, all []shellCommand) {
	b.WriteString("# bash completion for vigil, made by `vigil completion bash`\n_vigil() {\n" +
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n" +
		"\tCOMPREPLY=()\n\tif [ \"$COMP_CWORD\" -gt 1 ]; then\n\t\tcase \"${COMP_WORDS[1]} $prev\" in\n")
	for _, c := range all {
		for _, o := range c.options {
			if !o.toggle {
				fmt.Fprintf(b, "\t\t\"%s --%s\") words=%s ;;\n", c.name, o.name, single(strings.Join(o.values, " ")))
			}
		}
	}
	b.WriteString("\t\t*)\n\t\t\tcase ${COMP_WORDS[1]} in\n")
	for _, c := range all {
		fmt.Fprintf(b, "\t\t\t%s) words=%s ;;\n", c.name, single(strings.Join(append(flagsOf(c), valuesOf(c, all)...), " ")))
	}
	fmt.Fprintf(b, "\t\t\tesac ;;\n\t\tesac\n\telse\n\t\twords=%s\n\tfi\n", single(strings.Join(namesOf(all), " ")))
	b.WriteString("\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -o default -F _vigil vigil\n")
}

func zsh(b *strings.Builder, all []shellCommand) {
	b.WriteString("#compdef vigil\n# zsh completion for vigil, made by `vigil completion zsh`\n_vigil() {\n" +
		"\tlocal -a commands\n\tcommands=(\n")
	for _, c := range all {
		fmt.Fprintf(b, "\t\t%s\n", single(c.name+":"+c.summary()))
	}
	b.WriteString("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n" +
		"\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n")
	for _, c := range all {
		fmt.Fprintf(b, "\t%s)\n\t\t_arguments", c.name)
		for _, o := range c.options {
			text := "--" + o.name + "[" + brackets.Replace(firstSentence(o.help)) + "]"
			if !o.toggle {
				text += ":" + o.name + ":" + zshAction(o.values, o.file)
			}
			fmt.Fprintf(b, " \\\n\t\t\t%s", single(text))
		}
		fmt.Fprintf(b, " \\\n\t\t\t%s ;;\n", single("*:"+c.name+":"+zshAction(valuesOf(c, all), c.files)))
	}
	b.WriteString("\tesac\n}\nif [ \"$funcstack[1]\" = _vigil ]; then\n\t_vigil \"$@\"\nelse\n\tcompdef _vigil vigil\nfi\n")
}

func zshAction(values []string, file bool) string {
	switch {
	case len(values) > 0:
		return "(" + strings.Join(values, " ") + ")"
	case file:
		return "_files"
	}
	return " "
}

// brackets are what ends a description in zsh.
var brackets = strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`)

func fish(b *strings.Builder, all []shellCommand) {
	b.WriteString("# fish completion for vigil, made by `vigil completion fish`\ncomplete -c vigil -f\n")
	for _, c := range all {
		fmt.Fprintf(b, "complete -c vigil -n __fish_use_subcommand -a %s -d %s\n", c.name, fishQuote(c.summary()))
		when := "-n " + single("__fish_seen_subcommand_from "+c.name)
		if values := valuesOf(c, all); len(values) > 0 {
			fmt.Fprintf(b, "complete -c vigil %s -a %s\n", when, single(strings.Join(values, " ")))
		}
		if c.files {
			fmt.Fprintf(b, "complete -c vigil %s -F\n", when)
		}
		for _, o := range c.options {
			fmt.Fprintf(b, "complete -c vigil %s -l %s -d %s%s\n", when, o.name, fishQuote(firstSentence(o.help)), fishValue(o))
		}
	}
}

func fishValue(o option) string {
	switch {
	case o.toggle:
		return ""
	case len(o.values) > 0:
		return " -x -a " + single(strings.Join(o.values, " "))
	case o.file:
		return " -r -F"
	}
	return " -x"
}

func flagsOf(c shellCommand) []string {
	list := []string{"--help"}
	for _, o := range c.options {
		list = append(list, "--"+o.name)
	}
	return list
}

// valuesOf are what may stand behind a command: behind help, all the others.
func valuesOf(c shellCommand, all []shellCommand) []string {
	if c.name == "help" {
		return namesOf(all)
	}
	return c.values
}

func namesOf(all []shellCommand) []string {
	var list []string
	for _, c := range all {
		list = append(list, c.name)
	}
	return list
}

func firstSentence(text string) string {
	if end := strings.Index(text, ". "); end > 0 {
		return text[:end]
	}
	return strings.TrimSuffix(text, ".")
}

// single quotes a text for bash and zsh.
func single(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func fishQuote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
