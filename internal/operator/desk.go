package operator

import (
	"context"

	"vigil/internal/tower"
)

// Desk is what the operator's methods work on: the core, and what only the whole
// program knows.
type Desk struct {
	Tower *tower.Tower
	// Info completes what the tower knows of itself.
	Info func(ctx context.Context) (tower.Info, error)
	// Backup writes a copy of the store to a file, with the keys of a tower of
	// its own sealed by a passphrase, if it is not empty. Storage tells how much
	// room the store takes.
	Backup  func(ctx context.Context, file, passphrase string) (Backup, error)
	Storage func(ctx context.Context) (Storage, error)
	// Rehearsal is what a self-test goes through.
	Rehearsal Rehearsal
	// Addresses are where others reach the API, best first; nil where that
	// is not known.
	Addresses func() []Address
}

// OnlyHere is the note of an address that other machines don't reach.
const OnlyHere = "for this machine only"

// Address is one way to reach the API.
type Address struct {
	// Address is host:port.
	Address string `json:"address"`
	// Kind is http, https or onion.
	Kind string `json:"kind"`
	// Register is what a node's operator types to use the tower by this
	// address; "" where the field's clients can't.
	Register string `json:"register,omitempty"`
	// Note says what to know about it.
	Note string `json:"note,omitempty"`
}
