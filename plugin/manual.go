package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

const aboutManual = `Prints the manual page, for man: vigil manual > vigil.1 && man ./vigil.1`

// manualCommand is `vigil manual`.
func manualCommand(_ context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		return printHelp("manual", aboutManual, nil, out)
	}
	m := &manual{}
	m.write()
	_, err := io.WriteString(out, m.b.String())
	return err
}

// manual is a page in roff's man macros, man(7).
type manual struct{ b strings.Builder }

const (
	manualAbout = "vigil watches the chain for other Lightning nodes while they are offline, and publishes their penalty transactions when their channel peer cheats. " +
		"Core Lightning loads it as a plugin, with nothing to configure; by itself it runs over bitcoind or btcd."
	manualPlugin = "Loaded by lightningd, every option below has the prefix vigil-, in lightningd's configuration as on its command line, " +
		"and each command that asks or tells a tower something is a method of lightning-cli with that prefix: lightning-cli vigil-info. " +
		"Take the options out of the configuration before you remove the plugin: lightningd does not start with an option that no plugin knows."
	manualCommands = "Those that ask or tell a tower something find it by --data-dir or --network. They print text for people; with --json, what lightning-cli prints."
	manualOptions  = "Of vigil tower; none is required. In a file named by --conf they stand as name=value, one a line."
	manualStatus   = "0, or 1 with the reason on standard error. What checks something (selftest, verify) ends with 1 where it is not in order; import-teos, where it took all that it could and something was left behind; backup, where its caller does not see the file."
)

func (m *manual) write() {
	m.b.WriteString(".\\\" made by `vigil manual`\n")
	fmt.Fprintf(&m.b, ".TH VIGIL 1 \"\" %s\n", quoted("vigil "+version))
	m.head("SH", "NAME")
	m.b.WriteString("vigil \\- a Lightning watchtower\n")
	m.head("SH", "SYNOPSIS")
	m.b.WriteString(".B vigil\n.I command\n.RI [ arguments ]\n.RB [ \\-\\-option\n.IR value \" ...]\"\n")
	m.head("SH", "DESCRIPTION")
	m.text(manualAbout)
	m.text(manualPlugin)
	m.head("SH", "COMMANDS")
	m.text(manualCommands)
	for _, s := range sections() {
		m.head("SS", s.title)
		for _, c := range s.commands {
			m.command(c)
		}
	}
	m.head("SH", "OPTIONS")
	m.text(manualOptions)
	for _, o := range append(offered(standalone), confOption) {
		m.option(o)
	}
	m.end()
}

// command tells what a command does, and its own options; those of tower are told
// apart.
func (m *manual) command(c shellCommand) {
	fmt.Fprintf(&m.b, ".TP\n.B %s\n", roff("vigil "+c.words()))
	for i, paragraph := range strings.Split(c.about, "\n\n") {
		if i > 0 {
			m.b.WriteString(".IP\n")
		}
		if strings.HasPrefix(paragraph, " ") {
			fmt.Fprintf(&m.b, ".nf\n%s\n.fi\n", roff(paragraph))
		} else {
			m.line(strings.Join(strings.Fields(paragraph), " "))
		}
	}
	if c.name == "tower" {
		return
	}
	m.b.WriteString(".RS\n")
	for _, o := range c.options {
		if o.name != "network" && o.name != "data-dir" && o.name != jsonOption.name {
			m.option(o)
		}
	}
	m.b.WriteString(".RE\n")
}

func (m *manual) option(o option) {
	m.b.WriteString(".TP\n")
	if o.toggle {
		fmt.Fprintf(&m.b, ".B %s\n", roff("--"+o.name))
	} else {
		fmt.Fprintf(&m.b, ".BI %s \" %s\"\n", roff("--"+o.name), roff(strings.ReplaceAll(o.name, "-", "_")))
	}
	text := o.help
	if o.fallback != "" {
		text += " Default: " + o.fallback + "."
	}
	m.line(text)
}

func (m *manual) end() {
	m.head("SH", "FILES")
	for _, f := range [][2]string{
		{"~/.vigil/NETWORK", "The data of vigil tower: its store, its key (tower.key: whoever loses it loses the tower's identity), and the socket by which it is asked."},
		{"~/.lightning/NETWORK/vigil", "The same of a tower in a node, whose key comes from the node's."},
	} {
		fmt.Fprintf(&m.b, ".TP\n.I %s\n", roff(f[0]))
		m.line(f[1])
	}
	m.head("SH", "EXIT STATUS")
	m.text(manualStatus)
	m.head("SH", "SEE ALSO")
	m.b.WriteString(".BR lightning\\-cli (1),\n.BR lightningd\\-config (5),\n.BR bitcoind (1)\n")
}

func (m *manual) head(macro, title string) {
	if macro == "SH" {
		title = strings.ToUpper(title)
	}
	fmt.Fprintf(&m.b, ".%s %s\n", macro, quoted(title))
}

func (m *manual) text(paragraph string) {
	m.b.WriteString(".PP\n")
	m.line(paragraph)
}

func (m *manual) line(text string) { m.b.WriteString(roff(text) + "\n") }

func quoted(text string) string { return `"` + roff(text) + `"` }

// roff escapes text: a line that begins with a point or a quote would be a macro.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "\"", `\(dq`, "~", `\(ti`, "^", `\(ha`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
