package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxConf bounds a configuration file, in bytes.
const maxConf = 1 << 20

// confOption names a file with options, for `vigil tower`. What is given as a
// flag, too, is the flag's.
var confOption = option{name: "conf", file: true,
	help: "File with options, one name=value a line, without dashes; lines that begin with # are not read. Flags come before it."}

// confFlags reads the file that --conf names among some flags, and returns its
// options as flags to come before them.
func confFlags(args []string, known []option) ([]string, error) {
	name := confName(args)
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name) //nolint:gosec // the operator's own file
	if err != nil {
		return nil, unreadable("the file that --conf names", err)
	}
	defer file.Close()
	flags, err := parseConf(io.LimitReader(file, maxConf), known)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return flags, nil
}

func confName(args []string) (name string) {
	for i, arg := range args {
		flag := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
		if flag == arg {
			continue
		}
		if value, ok := strings.CutPrefix(flag, confOption.name+"="); ok {
			name = value
		} else if flag == confOption.name && i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
			name = args[i+1]
		}
	}
	return name
}

func parseConf(in io.Reader, known []option) (flags []string, err error) {
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !found {
			return nil, fmt.Errorf("line %d must be name=value", n)
		}
		if !slices.ContainsFunc(known, func(o option) bool { return o.name == name }) {
			return nil, fmt.Errorf("line %d: there is no option %.40q: see `vigil tower --help`", n, name)
		}
		flags = append(flags, "--"+name+"="+strings.TrimSpace(value))
	}
	return flags, lines.Err()
}
