package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

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
	noteNode = "The tower's key is not in it: it comes from the node (hsm_secret, or its recovery words). " +
		"Whoever has both has the tower."
	noteNoKey = "The tower's key is not in it: keep a copy of tower.key, or give a passphrase. " +
		"Without the key its clients do not know the tower any more."
	noteSealed = "Whoever has the file and the passphrase is the tower. Without the passphrase the key in it is lost."
	noteLater  = "What is accepted from now on is not in it: make backups often."
)

// Backup writes a copy of the store, with the keys of a tower of its own if
// there is a passphrase.
func (c *core) Backup(ctx context.Context, file, passphrase string) (b operator.Backup, err error) {
	d := c.daemon
	extra := map[string][]byte{"version": []byte(version)}
	b = operator.Backup{File: file, Sealed: []string{}}
	switch {
	case d.inNode && passphrase != "":
		return b, teos.Errorf(teos.WrongType, "leave the passphrase out: the key of a tower in a node comes from the node, and is not in a backup")
	case d.inNode:
		b.Notes = []string{noteNode, noteLater}
	case passphrase == "":
		b.Notes = []string{noteNoKey, noteLater}
	default:
		b.Notes = []string{noteSealed, noteLater}
	}
	if passphrase != "" {
		if b.Sealed, err = d.sealKeys(extra, passphrase); err != nil {
			return b, err
		}
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

func (d *daemon) sealKeys(into map[string][]byte, passphrase string) (names []string, err error) {
	names = []string{}
	for _, name := range backupKeys {
		key, err := os.ReadFile(d.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if into[name+sealedEnding], err = seal(key, passphrase); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}
