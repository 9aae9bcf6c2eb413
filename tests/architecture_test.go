package tests

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// module is the path that all our packages begin with.
const module = "vigil/"

// listed is what go list tells of one of our packages.
type listed struct {
	ImportPath string
	Imports    []string // without those of tests
	Deps       []string // imports, and theirs
}

// packages lists our packages that are compiled into the product.
func packages(t *testing.T) map[string]listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	found := make(map[string]listed)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		if name := strings.TrimPrefix(p.ImportPath, module); !isForTests(name) {
			found[name] = p
		}
	}
}

func isForTests(name string) bool {
	return strings.HasPrefix(name, "tests/") || name == "tests" || strings.HasSuffix(name, "test")
}

// under tells whether a package is another or lies below it.
func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// The adapters know the core; the core knows none of them.
func TestDependenciesPointInward(t *testing.T) {
	adapters := []string{
		"plugin", "towerapi", "internal/tower/store", "internal/towerrpc", "internal/towerpb",
		"internal/certs", "internal/onion", "internal/watchroom", "internal/cln", "internal/bitcoind", "internal/mover", "internal/tower/towertest", "internal/tower/chain/chaintest",
	}
	core := []string{
		"internal/teos", "inspector", "internal/tower", "internal/tower/chain",
		"internal/tower/gatekeeper", "internal/tower/watcher", "internal/tower/responder",
	}
	all := packages(t)
	for _, name := range core {
		p, ok := all[name]
		if !ok {
			t.Errorf("there is no package %s", name)
		}
		for _, dep := range p.Deps {
			if slices.Contains(adapters, strings.TrimPrefix(dep, module)) {
				t.Errorf("%s depends on %s", name, dep)
			}
		}
	}
}

// forbidden names for packages what they may not depend on, however far.
var forbidden = map[string][]string{
	"internal/teos":             {"net", "os", "time", "database", "log", "vigil"},
	"internal/teos/curve":       {"net", "os", "time", "database", "log", "vigil"},
	"inspector":                 {"net", "os", "database", "google.golang.org"},
	"internal/proof":            {"net", "os", "time", "database", "log", "vigil/internal/operator"},
	"internal/tower/gatekeeper": {"vigil/internal/tower/watcher", "vigil/internal/tower/responder"},
	"internal/tower/watcher":    {"vigil/internal/tower/gatekeeper", "vigil/internal/tower/responder"},
	"internal/tower/responder":  {"vigil/internal/tower/gatekeeper", "vigil/internal/tower/watcher"},
	"internal/tower/chain":      {"vigil/internal/tower/gatekeeper", "vigil/internal/tower/watcher", "vigil/internal/tower/responder", "vigil/internal/teos"},
	"internal/tower":            {"net/http", "database", "google.golang.org"},
}

func TestEachPackageKeepsToItsRules(t *testing.T) {
	all := packages(t)
	for name, roots := range forbidden {
		p, ok := all[name]
		if !ok {
			t.Errorf("there is no package %s", name)
		}
		// What pure code of others needs of the system is not ours to say.
		deps := p.Imports
		if strings.HasPrefix(roots[0], "vigil/") || name == "internal/tower" {
			deps = p.Deps
		}
		for _, dep := range deps {
			for _, root := range roots {
				if under(dep, root) && !under(dep, module+name) { // its own parts are not others
					t.Errorf("%s depends on %s", name, dep)
				}
			}
		}
	}
}

// only names for what comes from outside who alone may import it.
var only = map[string][]string{
	// The mover reads the SQLite file of another make of tower.
	"database/sql":                          {"internal/tower/store", "internal/mover"},
	"modernc.org/sqlite":                    {"internal/tower/store", "internal/mover"},
	"github.com/elementsproject/glightning": {"internal/cln"},
	"google.golang.org/grpc":                {"internal/towerrpc", "internal/towerpb"},
	"google.golang.org/protobuf":            {"internal/towerrpc", "internal/towerpb"},
	"vigil/internal/towerpb":                {"internal/towerrpc"},
	"golang.org/x/crypto/chacha20poly1305":  {"internal/teos"},
	"golang.org/x/crypto/acme":              {"internal/certs"},
	"filippo.io/edwards25519":               {"internal/onion"},
	"filippo.io/age":                        {"plugin"},
	"github.com/tv42/zbase32":               {"internal/teos"},
	"github.com/consensys/gnark-crypto":     {"internal/teos/curve"},
	"github.com/parquet-go/parquet-go":      {"internal/tower/store"},
	"github.com/prometheus":                 {"internal/watchroom"},
	"golang.org/x/net":                      {"internal/watchroom"},
}

func TestWhatComesFromOutsideHasOneUser(t *testing.T) {
	used := make(map[string]bool)
	for name, p := range packages(t) {
		for _, dep := range p.Imports {
			for root, users := range only {
				if !under(dep, root) {
					continue
				}
				used[root] = true
				if !slices.Contains(users, name) {
					t.Errorf("%s imports %s", name, dep)
				}
			}
		}
	}
	for root := range only {
		if !used[root] {
			t.Errorf("nobody imports %s: this test guards nothing", root)
		}
	}
}

func TestNoPackageIsADrawer(t *testing.T) {
	for name := range packages(t) {
		last := name[strings.LastIndexByte(name, '/')+1:]
		if slices.Contains([]string{"util", "utils", "common", "model", "models", "config", "helpers", "misc"}, last) {
			t.Errorf("package %s says nothing of what is in it", name)
		}
	}
}

// What is made for tests stays out of the binary.
func TestTheBinaryHoldsNoTests(t *testing.T) {
	binary, ok := packages(t)["plugin"]
	if !ok {
		t.Fatal("there is no package plugin")
	}
	for _, dep := range binary.Deps {
		if name := strings.TrimPrefix(dep, module); name != dep && isForTests(name) || dep == "testing" {
			t.Errorf("the binary holds %s", dep)
		}
	}
}
