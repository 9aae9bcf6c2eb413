package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAFileThatIsNotThereIsNamedForWhatItIs: of several names on a line, the one
// that is wrong.
func TestAFileThatIsNotThereIsNamedForWhatItIs(t *testing.T) {
	cheap(t)
	_, backup, _ := backedUp(t, "a passphrase")
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"restore", backup, "--passphrase", none}, "the file with the passphrase can't be read: " + none + ": no such file or directory"},
		{[]string{"restore", backup, "--passphrase", "/"}, "the file with the passphrase can't be read: /: is a directory"},
		{[]string{"backup", none, "--passphrase", none}, "the file with the passphrase can't be read: " + none + ": no such"},
		{[]string{"restore", none}, "the backup can't be read: " + none + ": no such file or directory"},
		{[]string{"restore", "/"}, "the backup can't be read: /: is a directory"},
		{[]string{"verify", none}, "the file with the document can't be read: " + none + ": no such file or directory"},
		{[]string{"import-teos", none}, none + ": no such file or directory: name the data directory of rust-teos"},
		{[]string{"tower", "--conf", none}, "the file that --conf names can't be read: " + none + ": no such file or directory"},
	} {
		if _, err := shell(t, c.args...); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: %v", c.args, err)
		}
	}
}

// TestAWrongPassphraseIsCalledSo, and nothing of how that was found.
func TestAWrongPassphraseIsCalledSo(t *testing.T) {
	cheap(t)
	_, backup, _ := backedUp(t, "a passphrase")
	_, err := restore(t, backup, "--data-dir", t.TempDir(), "--passphrase", filepath.Join(dirWith(t, "pass", "another\n"), "pass"))
	if !errors.Is(err, errPassphrase) || !strings.HasPrefix(err.Error(), "wrong passphrase") || strings.Contains(err.Error(), "identity") {
		t.Errorf("got %v", err)
	}
	sealed, err := seal([]byte("secret"), "pass")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unseal(sealed[1:], "pass"); err == nil || errors.Is(err, errPassphrase) {
		t.Errorf("what is damaged: %v", err)
	}
}

// TestAnInterruptedRestoreSaysThatNothingWasRestored, which is so.
func TestAnInterruptedRestoreSaysThatNothingWasRestored(t *testing.T) {
	cheap(t)
	_, backup, _ := backedUp(t, "")
	dir := filepath.Join(t.TempDir(), "new")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	err := restoreCommand(ctx, []string{backup, "--data-dir", dir}, io.Discard)
	if err == nil || err.Error() != "interrupted: nothing was restored" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, storeFile)); err == nil {
		t.Error("a store is there")
	}
	if _, err := restore(t, backup, "--data-dir", dir); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := restoreCommand(ctx, []string{backup, "--data-dir", dir}, io.Discard); err == nil {
		t.Error("over a store: no error")
	}
}

// TestAnInterruptedCommandSaysSo, in one word.
func TestAnInterruptedCommandSaysSo(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err := shell(t, "import-teos", teosDir(t), "--data-dir", t.TempDir(), "--bitcoind", chainOf(t, "regtest", 250))
	if err != nil {
		t.Fatal(err)
	}
	err = command(ctx, []string{"import-teos", teosDir(t), "--data-dir", t.TempDir(), "--bitcoind", chainOf(t, "regtest", 250)}, io.Discard)
	if got := said(ctx, err); got != "interrupted" {
		t.Errorf("%s (%v)", got, err)
	}
	if got := said(ctx, errLeft); got != errLeft.Error() {
		t.Errorf("another error: %s", got)
	}
}

// TestWhatIsSaidDoesNothingToATerminal: file names and the words of others are in it.
// Errors that come together keep a line each.
func TestWhatIsSaidDoesNothingToATerminal(t *testing.T) {
	_, err := shell(t, "verify", "/nope/\x1b[31m\nx\u202e\xff")
	if got := said(t.Context(), err); got != "the file with the document can't be read: /nope/\uFFFD[31m x\uFFFD\uFFFD: no such file or directory" {
		t.Errorf("%q", got)
	}
	two := fmt.Errorf("c\n%w", errors.New("d"))
	if got := said(t.Context(), errors.Join(errors.Join(errors.New("a\x1b"), errors.New("b")), two)); got != "a\uFFFD\nb\nc d" {
		t.Errorf("%q", got)
	}
}
