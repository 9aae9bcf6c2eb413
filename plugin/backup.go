package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"vigil/internal/operator"
	"vigil/internal/teos"
	"vigil/internal/tower/store"
)

// Keys that a backup may hold, by the file's name; onion.key is that of the onion
// service.
var backupKeys = []string{keyFile, onionKeyFile}

// onionKeyFile is the onion service's key in the data directory.
const onionKeyFile = "onion.key"

// sealedEnding follows the name of a key that is sealed.
const sealedEnding = ".age"

const (
	noteNode = "The tower's key is not in it: it comes from the node (hsm_secret, or its recovery words)."
	// noteLeft comes with the names of keys, and what is lost without each.
	noteLeft   = "NOT IN IT: %s. Keep copies, or give a passphrase, which seals them into it."
	noteSealed = "Whoever has the file and the passphrase is the tower. Without the passphrase the key in it is lost."
	noteLater  = "What is accepted from now on is not in it: make backups often."
)

// without is what is lost with each key.
var without = map[string]string{
	keyFile:      "tower.key (without it clients do not know the tower any more)",
	onionKeyFile: "onion.key (without it the onion service gets another address, and clients that come by Tor lose the tower)",
}

// leftOut is kept in a backup: the names of keys that are not in it.
const leftOut = "left-out"

// ownKeys are the keys in the data directory that nothing else brings back.
func (d *daemon) ownKeys() (names []string) {
	for _, name := range backupKeys {
		if exists(d.path(name)) && (name != keyFile || !d.inNode) {
			names = append(names, name)
		}
	}
	return names
}

// notes say what to know of a backup in which some keys are sealed and some are
// missing.
func (d *daemon) notes(sealed, missing []string) (list []string) {
	if len(missing) > 0 {
		var lost []string
		for _, name := range missing {
			lost = append(lost, without[name])
		}
		list = append(list, fmt.Sprintf(noteLeft, strings.Join(lost, "; ")))
	}
	if d.inNode {
		list = append(list, noteNode)
	}
	if len(sealed) > 0 {
		list = append(list, noteSealed)
	}
	return append(list, noteLater)
}

// Backup writes a copy of the store, with the keys in the data directory if there
// is a passphrase.
func (c *core) Backup(ctx context.Context, file, passphrase string) (b operator.Backup, err error) {
	d := c.daemon
	extra := map[string][]byte{"version": []byte(version)}
	b = operator.Backup{File: file, Sealed: []string{}}
	keys := d.ownKeys()
	switch {
	case passphrase == "":
		extra[leftOut] = []byte(strings.Join(keys, "\n"))
		b.Notes = d.notes(nil, keys)
	case len(keys) == 0:
		return b, teos.Errorf(teos.WrongType, "leave the passphrase out, there is nothing to seal: the key of a tower in a node comes from the node, and it has no onion service")
	default:
		if b.Sealed, err = d.sealKeys(keys, extra, passphrase); err != nil {
			return b, err
		}
		b.Notes = d.notes(b.Sealed, nil)
	}
	if b.Storage, err = c.Storage(ctx); err != nil {
		return b, err
	}
	written, err := d.store.Backup(ctx, file, extra)
	if err != nil {
		return b, refused(err)
	}
	b.Bytes, b.Height, b.Users, b.Appointments = written.Bytes, written.Height, written.Users, written.Appointments
	return b, nil
}

// refused makes an error of the caller's file one that the caller is told.
func refused(err error) error {
	if errors.Is(err, store.ErrTarget) || errors.Is(err, fs.ErrExist) || errors.Is(err, store.ErrRelative) {
		return teos.Errorf(teos.WrongType, "%v", err)
	}
	return err
}

// Storage tells how much room the store takes.
func (c *core) Storage(ctx context.Context) (operator.Storage, error) {
	size, err := c.daemon.store.Size(ctx)
	return operator.Storage{Store: size.File, Log: size.Log, Free: size.Free}, err
}

func (d *daemon) sealKeys(names []string, into map[string][]byte, passphrase string) ([]string, error) {
	for _, name := range names {
		key, err := os.ReadFile(d.path(name))
		if err != nil {
			return nil, err
		}
		if into[name+sealedEnding], err = seal(key, passphrase); err != nil {
			return nil, err
		}
	}
	return names, nil
}
