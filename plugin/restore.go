package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/operator"
	"vigil/internal/teos"
	"vigil/internal/tower/store"
)

const aboutRestore = `Makes a tower's store anew out of a backup. The tower must not run, and there
must be no store in the data directory: nothing is ever overwritten.

For a tower in a node, name the data directory of the plugin:
~/.lightning/NETWORK/vigil. Its key comes from the node.`

func restoreOptions() []option {
	list := pick("data-dir")
	return append(list, option{name: "passphrase", file: true, filled: true,
		help: "File with the passphrase that the key was sealed with, or - for standard input."})
}

// restoreCommand is `vigil restore FILE`.
func restoreCommand(ctx context.Context, args []string, out io.Writer) error {
	r, err := parseFlags("restore FILE", aboutRestore, args, restoreOptions(), []string{"from"}, out)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if r["from"] == "" {
		return errors.New("name the backup: see `vigil restore --help`")
	}
	b := restoring{file: r["from"]}
	if err := b.unlock(r["passphrase"]); err != nil {
		return err
	}
	if err := b.all(ctx, r); err != nil {
		if ctx.Err() != nil && !b.restored() {
			return errInterrupted
		}
		return err
	}
	return b.tell(out)
}

// errInterrupted says what a restore that was ended leaves.
var errInterrupted = errors.New("interrupted: nothing was restored")

// unlock reads the passphrase in a file, if one is named.
func (b *restoring) unlock(file string) error {
	if file == "" {
		return nil
	}
	text, err := readFile("passphrase", file)
	if err != nil {
		return err
	}
	b.passphrase, err = operator.Secret("passphrase", text)
	return err
}

// all reads the backup, and restores it where the options say.
func (b *restoring) all(ctx context.Context, r raw) (err error) {
	if b.Copy, err = store.ReadBackup(ctx, b.file); errors.As(err, new(*fs.PathError)) {
		return unreadable("the backup", err)
	}
	if err != nil {
		return err
	}
	if err := b.somebodys(); err != nil {
		return err
	}
	r["network"] = b.Network
	if b.dir, err = dataDir(r); err != nil {
		return err
	}
	return b.run(ctx)
}

// restored tells whether there is a store, if only one from before.
func (b *restoring) restored() bool { return b.dir != "" && exists(b.path(storeFile)) }

type restoring struct {
	store.Copy
	id                    teos.UserID // the tower's
	file, dir, passphrase string
	keys                  []string // that were restored
	hasKey                bool
}

// somebodys makes sure that a backup is of a tower, on a chain that there is: both
// are about to name files.
func (b *restoring) somebodys() (err error) {
	if name := canonical(b.Network); name == "" || name != b.Network {
		return fmt.Errorf("%s: %w: it is of no network: %.40q", b.file, store.ErrNoBackup, b.Network)
	}
	if b.id, err = teos.ParseUserID(b.TowerID); err != nil || b.id.String() != b.TowerID {
		return fmt.Errorf("%s: %w: it is of no tower: %.80q", b.file, store.ErrNoBackup, b.TowerID)
	}
	return nil
}

func (b *restoring) path(name string) string { return filepath.Join(b.dir, name) }

func (b *restoring) run(ctx context.Context) error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	unlock, err := lockDir(b.path(lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	if err := b.free(); err != nil {
		return err
	}
	keys, err := b.unsealed()
	if err != nil {
		return err
	}
	if err := b.sameKey(keys[keyFile]); err != nil {
		return err
	}
	if err := store.Restore(ctx, b.file, b.path(storeFile)); err != nil {
		return err
	}
	for _, name := range backupKeys {
		if err := b.putKey(name, keys[name]); err != nil {
			// Nobody has used it yet, and it would be in the next one's way.
			return errors.Join(err, os.Remove(b.path(storeFile)))
		}
	}
	d := daemon{settings: settings{dataDir: b.dir}, log: slog.New(slog.DiscardHandler)}
	d.mark(b.id)
	return nil
}

// errStore says that there is a store already.
var errStore = errors.New("there is a store in this directory already, and it may know more than the backup: " +
	"move it away first, with the files beside it whose names begin as its own, or name another --data-dir")

// free makes sure that no store is overwritten, nor an old one's log taken for the
// restored one's, and that the directory is not another tower's.
func (b *restoring) free() error {
	for _, ending := range []string{"", "-wal", "-shm", "-journal"} {
		info, err := os.Lstat(b.path(storeFile + ending))
		if err == nil && (ending == "" || info.Size() > 0) {
			return fmt.Errorf("%w (%s)", errStore, b.path(storeFile+ending))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_ = os.Remove(b.path(storeFile + ending))
	}
	mark, err := os.ReadFile(b.path(markFile))
	if err == nil && strings.TrimSpace(string(mark)) != b.TowerID {
		return fmt.Errorf("%s is the directory of another tower, %.66q: the backup is of %s", b.dir, mark, b.TowerID)
	}
	return nil
}

// unsealed opens what the backup holds.
func (b *restoring) unsealed() (keys map[string][]byte, err error) {
	keys = map[string][]byte{}
	for _, name := range backupKeys {
		sealed := b.Extra[name+sealedEnding]
		if sealed == nil {
			continue
		}
		if b.passphrase == "" {
			if _, err := os.Stat(b.path(name)); err == nil {
				continue // it is there
			}
			return nil, fmt.Errorf("%s is sealed in this backup: name a file with its passphrase, --passphrase FILE", name)
		}
		if keys[name], err = unseal(sealed, b.passphrase); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// sameKey makes sure that a key, in the backup or in the directory, is the one under
// which what is in the backup was promised.
func (b *restoring) sameKey(restored []byte) error {
	var keys []*btcec.PrivateKey
	if restored != nil {
		key, err := keyOf(restored)
		if err != nil {
			return fmt.Errorf("the key in the backup: %w", err)
		}
		keys = append(keys, key)
	}
	if _, err := os.Stat(b.path(keyFile)); err == nil {
		key, err := readKey(b.path(keyFile))
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		if id := teosID(key); id != b.TowerID {
			return fmt.Errorf("the key is that of tower %s, and the backup is of %s", id, b.TowerID)
		}
	}
	b.hasKey = len(keys) > 0
	return nil
}

// putKey writes a key that is not there yet.
func (b *restoring) putKey(name string, content []byte) error {
	if _, err := os.Stat(b.path(name)); err == nil || content == nil {
		return nil
	}
	b.keys = append(b.keys, name)
	return writeSecret(b.path(name), content)
}

// lacks tells whether there was a key when the backup was made that is not in it,
// nor in the directory.
func (b *restoring) lacks(name string) bool {
	return slices.Contains(strings.Split(string(b.Extra[leftOut]), "\n"), name) && !exists(b.path(name))
}

// tell says what came back, and what did not.
func (b *restoring) tell(out io.Writer) error {
	var text []byte
	say := func(format string, args ...any) { text = fmt.Appendf(text, format+"\n", args...) }
	say("restored     %s", b.path(storeFile))
	say("tower        %s", b.TowerID)
	say("network      %s", directoryOf(b.Network))
	say("users        %d", b.Users)
	say("appointments %d", b.Appointments)
	say("height       %d", b.Height)
	for _, name := range b.keys {
		say("key          %s", b.path(name))
	}
	say("")
	if !b.hasKey {
		say("The backup has no key. In a node it comes from the node itself. For `vigil tower`, put the")
		say("tower.key of this tower into %s first: another key is another tower, and it will not start.", b.dir)
		say("")
	}
	if b.lacks(onionKeyFile) {
		say("onion.key IS NOT IN THE BACKUP: put your copy into %s before the start. Without it the", b.dir)
		say("onion service gets another address, and clients that come by Tor lose the tower.")
		say("")
	}
	say("Blocks after %d are caught up with at the start, so breaches since then are answered.", b.Height)
	say("What users handed in after the backup is gone: their receipts stay valid, but THIS TOWER DOES NOT")
	say("WATCH THOSE CHANNEL STATES any more, nor does it know who registered or renewed since. Tell your")
	say("users: their next states are watched again, and clients that keep old ones can send them again.")
	say("What users deleted since then is watched again.")
	_, err := out.Write(text)
	return err
}
