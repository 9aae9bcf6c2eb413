package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vigil/internal/operator"
	"vigil/internal/teos"
	"vigil/internal/towerrpc"
)

// maxFile bounds a file that is sent as a parameter, in bytes.
const maxFile = 8 << 20

// askCommand is `vigil NAME` for each of the operator's methods.
func askCommand(ctx context.Context, m operator.Method, args []string, out io.Writer) error {
	r, err := parseFlags(strings.TrimSpace(m.Name+" "+m.Usage()), m.About, args, questionFlags(m), flagNames(m), out)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	params, err := questionParams(m, r)
	if err != nil {
		return err
	}
	file, err := target(m, r)
	if err != nil {
		return err
	}
	answer, err := ask(ctx, r, m, params)
	if err != nil {
		return err
	}
	return errors.Join(printAnswer(m, r, answer, out), written(file, answer))
}

func printAnswer(m operator.Method, r raw, answer json.RawMessage, out io.Writer) error {
	if err := show(m, r, answer, out); err != nil {
		return err
	}
	return verdict(answer)
}

// errNotOK is for who reads exit statuses.
var errNotOK = errors.New("not all of it is in order: what was printed says what is not")

// verdict fails where what was checked is not in order: the answer says "ok" is
// false.
func verdict(answer json.RawMessage) error {
	var v struct{ OK *bool }
	if json.Unmarshal(answer, &v) == nil && v.OK != nil && !*v.OK {
		return errNotOK
	}
	return nil
}

func show(m operator.Method, r raw, answer json.RawMessage, out io.Writer) error {
	if r[jsonOption.name] == "true" {
		return printJSON(out, answer)
	}
	text, err := m.Text(answer, widthOf(out), time.Now())
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}

// jsonOption is for programs.
var jsonOption = option{name: "json", toggle: true, help: "Print the JSON document that lightning-cli prints, whole, instead of text for people."}

// questionFlags are the options of such a command: the parameters, and what finds
// the tower.
func questionFlags(m operator.Method) []option {
	var list []option
	for _, p := range m.Params {
		list = append(list, option{name: flagName(p.Name), fallback: p.Default, help: p.About, values: p.Values, file: p.File || p.Path, filled: p.File})
	}
	where := pick("network", "data-dir")
	where[1].help = "The tower's data directory. Default: that of `vigil tower`, ~/.vigil/NETWORK, else that of the plugin, ~/.lightning/NETWORK/vigil."
	return append(list, append(where, jsonOption)...)
}

func flagNames(m operator.Method) (list []string) {
	for _, name := range names(m) {
		list = append(list, flagName(name))
	}
	return list
}

func questionParams(m operator.Method, r raw) ([]byte, error) {
	given := map[string]string{}
	for _, p := range m.Params {
		value := r[flagName(p.Name)]
		if value == "" {
			continue
		}
		switch {
		case p.File:
			content, err := readFile(p.Name, value)
			if err != nil {
				return nil, err
			}
			value = content
		case p.Path:
			name, err := absolute(value)
			if err != nil {
				return nil, err
			}
			value = name
		}
		given[p.Name] = value
	}
	params, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	_, err = m.Parse(params)
	return params, err
}

// readFile reads a file that holds something, or with "-" what is on standard input.
// That it is empty is an error: whatever was to write it has failed.
func readFile(what, name string) (string, error) {
	in := io.Reader(os.Stdin)
	if name == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return "", unreadable("the file with the "+what, err)
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		err = unreadable("the file with the "+what, err)
	case len(content) == 0:
		err = fmt.Errorf("%s is empty", name)
	case len(content) > maxFile:
		err = fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return string(content), err
}

// ask asks the tower that runs in a data directory, or none where none is needed.
func ask(ctx context.Context, r raw, m operator.Method, params []byte) (json.RawMessage, error) {
	if m.Local != nil {
		return m.AskLocal(params)
	}
	if canonical(r["network"]) == "" {
		return nil, fmt.Errorf("--network must be bitcoin, testnet, testnet4, signet or regtest, is %q", r["network"])
	}
	dir, err := towerDir(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.Patience())
	defer cancel()
	socket := filepath.Join(dir, socketFile)
	if err := towerrpc.Reach(ctx, socket); err != nil {
		return nil, unreachable(dir, err)
	}
	client, err := towerrpc.Dial(socket)
	if err != nil {
		return nil, err
	}
	answer, err := client.Ask(ctx, m.Name, params)
	err = errors.Join(err, client.Close())
	if e := teos.AsError(err); err != nil && e.Cause == teos.Unavailable {
		err = fmt.Errorf("%w (the tower in %s)", err, dir)
	}
	return answer, err
}

// unreachable says what to do where no tower listens in a directory.
func unreachable(dir string, why error) error {
	if errors.Is(why, fs.ErrPermission) {
		return fmt.Errorf("you may not ask a tower in %s: if there is one, run this as its user: %w", dir, why)
	}
	return fmt.Errorf("no tower can be reached in %s: start it (vigil tower, or lightningd with the plugin; "+
		"it takes a moment), or say which is meant (--data-dir, --network): %w", dir, why)
}

func printJSON(out io.Writer, document json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, document, "", "   "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, b.String())
	return err
}

func pick(names ...string) []option {
	var list []option
	for _, name := range names {
		for _, o := range options {
			if o.name == name {
				list = append(list, o)
			}
		}
	}
	return list
}
