package tower

import (
	"context"
	"time"

	"vigil/internal/teos"
)

// Info is what the operator sees at a glance.
type Info struct {
	ID      teos.UserID
	Network string
	Version string
	Stats
	// Height is that of the last block that was processed whole.
	Height uint32
	// SourceHeight and SourceError are what the chain source last told.
	SourceHeight uint32
	SourceError  string
	// StoreError is why the store can't be written to now.
	StoreError string
	// NotGuarding is why the tower does not do what it is for; "" where it
	// does.
	NotGuarding string
	// LastBlock is when the miner of the last block says that it was found;
	// zero where that is not known.
	LastBlock time.Time
	// Since is when this tower was started for the first time, Started the
	// last time.
	Since, Started time.Time
	// Access is who may register: "open" or "invited".
	Access string
	// MaxUsers is how many users there may be; 0 for any number.
	MaxUsers uint32
	// InNode says that the tower lives in a Lightning node.
	InNode bool
	// Backends are bitcoind, lightningd or both: where blocks come from.
	Backends []string
	// Failing are those of two Backends that have not worked since the start, or
	// not for some minutes.
	Failing []FailingBackend
	// DiskUsed is what the tower's files take, DiskFree what is free on
	// their disk, in bytes.
	DiskUsed, DiskFree int64
	// API holds the addresses on which the HTTP API listens now.
	API []string
	// Admin is where status page and metrics are served now; "" where they
	// are not.
	Admin string
	// Entrances are the ways into the HTTP API that its operator configured.
	Entrances []Entrance
	// Warnings is what the operator should act on.
	Warnings []Warning
}

// FailingBackend is one of two backends, which does not work.
type FailingBackend struct {
	Name string
	// Since is when it began to fail; Never says that it did not work before.
	Since time.Time
	Never bool
	Error string
}

// Entrance is a way into the HTTP API.
type Entrance struct {
	// Kind is http, https or onion; Address is host:port, "" where it is not
	// known.
	Kind, Address string
	Open          bool
	// Closed is why it is not open.
	Closed string
}

// Warning is what the operator should act on, in words.
type Warning struct {
	Kind WarningKind
	Text string
}

// WarningKind is what a warning is about, in a word that stays the same.
type WarningKind string

// Kinds of warnings.
const (
	WarnChain       WarningKind = "chain"
	WarnStore       WarningKind = "store"
	WarnBehind      WarningKind = "behind"
	WarnAPI         WarningKind = "api"
	WarnBlind       WarningKind = "blind"
	WarnBreach      WarningKind = "breach"
	WarnRefused     WarningKind = "refused"
	WarnCertificate WarningKind = "certificate"
	WarnTor         WarningKind = "tor"
	WarnAdmin       WarningKind = "admin"
)

// WarningKinds are all of them.
var WarningKinds = []WarningKind{
	WarnChain, WarnStore, WarnBehind, WarnAPI, WarnBlind, WarnBreach, WarnRefused, WarnCertificate, WarnTor, WarnAdmin,
}

// Names under which times are kept, as by RFC 3339.
const (
	sinceKey     = "since"
	lastBlockKey = "last_block"
)

// Info returns what the store knows: the rest is filled in by who runs the
// tower.
func (t *Tower) Info(ctx context.Context) (Info, error) {
	info := Info{ID: t.ID(), StoreError: t.StoreTrouble()}
	err := t.store.View(ctx, func(tx Tx) (err error) {
		if info.Stats, err = tx.Stats(); err != nil {
			return err
		}
		tip, _, err := tx.Tip()
		if err != nil {
			return err
		}
		info.Height = tip.Height
		since, err := tx.Identity(sinceKey)
		if err != nil {
			return err
		}
		if info.Since, err = time.Parse(time.RFC3339, since); err != nil {
			return err
		}
		if at, err := tx.Identity(lastBlockKey); err != nil || at == "" {
			return err
		} else if info.LastBlock, err = time.Parse(time.RFC3339, at); err != nil {
			return err
		}
		return nil
	})
	return info, err
}
