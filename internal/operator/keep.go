package operator

import (
	"context"
	"strings"
	"time"

	"vigil/internal/teos"
)

var keepMethods = []Method{{
	Name:  "backup",
	About: "Write a copy of all that the tower must not forget to a new file, while it runs. `vigil restore` takes it. An existing file is never overwritten.",
	Params: []Param{
		required(path("file", "Where to write it. lightning-cli takes an absolute path, on the node's machine.")),
		secret("passphrase", "Seals the keys in the data directory into the backup: that of a `vigil tower`, and that of an onion service. The shell takes the name of a file that holds it, or - for standard input. Without it they are left out."),
	},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		return d.Backup(ctx, arg[string](a, "file"), arg[string](a, "passphrase"))
	},
}, {
	Name:  "storage",
	About: "How much room the tower's store takes on the disk.",
	Answer: func(ctx context.Context, d *Desk, _ Args) (any, error) {
		return d.Storage(ctx)
	},
}}

// Backup is what backup answers.
type Backup struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	// Height is the last block that was processed when it was made.
	Height       uint32 `json:"height"`
	Users        uint64 `json:"users"`
	Appointments uint64 `json:"appointments"`
	// Sealed are the keys that are in it, under the passphrase.
	Sealed []string `json:"sealed"`
	// Notes say what to know about it.
	Notes   []string `json:"notes"`
	Storage Storage  `json:"storage"`
}

// Storage is what storage answers, in bytes.
type Storage struct {
	// Store is the store's file, with what the log will add to it, Log the
	// write-ahead log beside it.
	Store int64 `json:"store_bytes"`
	Log   int64 `json:"log_bytes"`
	// Free is room in the store that deletions left. More than a megabyte of it
	// is given back within seconds.
	Free int64 `json:"free_bytes"`
}

// slow are methods that may take longer than a person waits.
var slow = map[string]time.Duration{"backup": 2 * time.Hour}

// Patience is how long to wait for a method's answer.
func (m Method) Patience() time.Duration {
	const usual = 30 * time.Second
	return max(usual, slow[m.Name])
}

// path is a parameter that names a file of the tower's machine. The shell makes
// it absolute.
func path(name, about string) Param {
	const most = 4096
	p := text(name, about, most)
	p.Path = true
	return p
}

// secret is a parameter that stands in no command line and no log. Empty, it is
// not left out: whatever was to tell it has failed.
func secret(name, about string) Param {
	return Param{Name: name, About: about, File: true, filled: true, read: func(name, text string) (any, error) {
		return Secret(name, text)
	}}
}

// Secret reads one that has a name, without the line's end behind it.
func Secret(name, text string) (string, error) {
	const most = 1024
	text = strings.TrimRight(text, "\r\n")
	if text == "" || len(text) > most {
		return "", teos.Errorf(teos.WrongType, "%s must have 1 to %d bytes", name, most)
	}
	return text, nil
}
