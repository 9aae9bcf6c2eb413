package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"

	"vigil/internal/operator"
)

// errElsewhere says that a tower wrote a file where the shell sees none.
var errElsewhere = errors.New("the tower wrote it, and it is not there for you: the tower sees other directories than you do " +
	"(PrivateTmp= or ProtectSystem= of its service, a container); name a place that both see, such as one in its data directory")

// errStream says that a tower writes no stream.
var errStream = errors.New("the tower writes a file, not to standard output: name a new file (./- for one that is called so)")

// absolute is a file's name as a tower takes it, by JSON.
func absolute(name string) (string, error) {
	if name == "-" {
		return "", errStream
	}
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("%q: a file's name must be UTF-8", name)
	}
	return filepath.Abs(name)
}

// target is the file that a method is to write, "" if it writes none. There must be
// nothing of that name.
func target(m operator.Method, r raw) (string, error) {
	for _, p := range m.Params {
		if !p.Path || r[flagName(p.Name)] == "" {
			continue
		}
		file, err := absolute(r[flagName(p.Name)])
		if _, errStat := os.Lstat(file); err == nil && errStat == nil {
			err = fmt.Errorf("%s: %w", file, os.ErrExist)
		}
		return file, err
	}
	return "", nil
}

// written makes sure that the shell sees what a tower says to have written.
func written(file string, answer json.RawMessage) error {
	if file == "" {
		return nil
	}
	var told struct{ Bytes int64 }
	if err := json.Unmarshal(answer, &told); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", file, errElsewhere, err)
	}
	if info.Size() != told.Bytes {
		return fmt.Errorf("%s: %w: what is there has %d bytes, not %d", file, errElsewhere, info.Size(), told.Bytes)
	}
	return nil
}
