package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"
)

const (
	btcdVersion  = "v0.26.2"
	buildTimeout = 10 * time.Minute
)

// Vigil returns the path of the plugin, built from the sources as they are
// now, with the race detector in it when the test has it too.
func Vigil(t T) string {
	t.Helper()
	path, err := buildVigil()
	if err != nil {
		t.Fatalf("build vigil: %v", err)
	}
	return path
}

// raceFlags are those of `make test` (the Makefile says why): the race detector,
// but not inside what only computes and is not ours.
var raceFlags = []string{"-race", "-gcflags=modernc.org/sqlite/lib=-race=false",
	"-gcflags=github.com/decred/dcrd/dcrec/secp256k1/v4=-race=false",
	"-gcflags=github.com/consensys/gnark-crypto/ecc/secp256k1/fp=-race=false", "-gcflags=modernc.org/libc=-d=checkptr=0"}

// buildVigil builds the product once a process. VIGIL_BINARY names another one: a
// release's, or one for another kind of processor, behind an emulator.
var buildVigil = sync.OnceValues(func() (string, error) {
	if binary := os.Getenv("VIGIL_BINARY"); binary != "" {
		return binary, nil
	}
	root, err := repository()
	if err != nil {
		return "", err
	}
	if raceEnabled {
		// A program with the detector in it sleeps before it ends, a second if
		// nobody says: every command that a test polls with would.
		if os.Getenv("GORACE") == "" {
			if err := os.Setenv("GORACE", "atexit_sleep_ms=50"); err != nil {
				return "", err
			}
		}
		return buildProduct(root, "vigil-race", raceFlags...)
	}
	return buildProduct(root, "vigil")
})

// Tags are the build tags that this program was built with, joined by commas.
// The product is built with the same.
var Tags = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" {
			return s.Value
		}
	}
	return ""
})

func buildProduct(root, name string, flags ...string) (string, error) {
	if tags := Tags(); tags != "" {
		name += "-" + tags
		flags = append([]string{"-tags", tags}, flags...)
	}
	return build(filepath.Join(root, ".cache", name), root, "./plugin", flags...)
}

// buildBtcd builds the test node where the cache does not hold it yet: its
// version, and the hashes of all its sources, are pinned in tests/node.
var buildBtcd = sync.OnceValues(func() (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	target := filepath.Join(root, ".cache", "btcd-"+btcdVersion)
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	return build(target, filepath.Join(root, "tests", "node"), "github.com/btcsuite/btcd")
})

// repository finds the repository's root above the working directory.
func repository() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "tests", "node", "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.Join(err, errors.New("run this inside the repository"))
}

// build runs `go build` in dir and then renames the program into place, so
// that processes that build or run the same one don't disturb each other.
func build(target, dir, pkg string, flags ...string) (string, error) {
	cache := filepath.Dir(target)
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	out := filepath.Join(tmp, filepath.Base(target))
	args := append([]string{"build", "-C", dir, "-o", out}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd, err, msg)
	}
	return target, os.Rename(out, target)
}
