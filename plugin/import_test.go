package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"vigil/internal/tower/chain"
)

// teosDir is the data directory of a tower of rust-teos that was real.
func teosDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "regtest"), 0o700); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(filepath.Join("..", "internal", "mover", "testdata", "teos_db.sql3.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	raw, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(raw)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "regtest", "teos_db.sql3"), content, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "regtest", "onion_v3_sk"), bytes.Repeat([]byte{7}, 64), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// chainOf serves what an import asks of a bitcoind, whose chain has 300 blocks and
// may know the other tower's last block at a height.
func chainOf(t *testing.T, network string, last int) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			Method string
			Params []any
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		result, failure := `null`, `null`
		switch call.Method {
		case "getblockchaininfo":
			result = fmt.Sprintf(`{"chain":%q,"blocks":300}`, network)
		case "getblockhash":
			result = fmt.Sprintf(`"%064x"`, int(call.Params[0].(float64)))
		case "getblockheader":
			height := last
			if n, err := strconv.ParseUint(call.Params[0].(string), 16, 64); err == nil { // one of its own
				height = int(n)
			}
			result = fmt.Sprintf(`{"height":%d,"previousblockhash":"%064x"}`, height, max(height-1, 0))
			if height < 0 {
				result, failure = `null`, `{"code":-5,"message":"Block not found"}`
			}
		}
		fmt.Fprintf(w, `{"result":%s,"error":%s,"id":"vigil"}`, result, failure)
	}))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "://", "://u:p@", 1)
}

func importTeos(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := importCommand(context.WithoutCancel(t.Context()), args, &out)
	return out.String(), err
}

// TestWhatToRunNextWorksAsItIsPrinted: with the backend that was given, and words
// as a shell takes them. A password is not shown: what is printed is kept and sent
// around.
func TestWhatToRunNextWorksAsItIsPrinted(t *testing.T) {
	node := chainOf(t, "regtest", 250)
	host, cookie := strings.Replace(node, "u:p@", "", 1), filepath.Join(t.TempDir(), "cookie")
	if err := os.WriteFile(cookie, []byte("__cookie__:hidden\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, given := range map[string][]string{
		"--bitcoind=" + strings.Replace(node, "u:p@", "u:PASSWORD@", 1): {"--bitcoind", strings.Replace(node, "u:p@", "u:h%69dden@", 1)},
		"--bitcoind=" + strings.Replace(node, "u:p@", "u@", 1):          {"--bitcoind", strings.Replace(node, "u:p@", "u@", 1)},
		"--bitcoind=" + host + " --bitcoind-cookie=FILE":                {"--bitcoind", strings.Replace(node, "u:p@", "__cookie__:hidden@", 1)},
		"--bitcoind=" + host + " --bitcoind-cookie=" + cookie:           {"--bitcoind", host, "--bitcoind-cookie", cookie},
	} {
		dir := filepath.Join(t.TempDir(), "my tower")
		out, err := importTeos(t, append([]string{teosDir(t), "--data-dir", dir}, given...)...)
		want = "teosd: vigil tower --network regtest --data-dir '" + dir + "' --api-bind ADDRESS:PORT " + want + "\n"
		if err != nil || !strings.Contains(out, want) || strings.Contains(out, "dden") {
			t.Errorf("%s, %v\nwant %s", out, err, want)
		}
	}
}

func TestATowerIsImportedOnceAndForAll(t *testing.T) {
	from, dir := teosDir(t), filepath.Join(t.TempDir(), "vigil")
	node := chainOf(t, "regtest", 250)
	out, err := importTeos(t, from, "--data-dir", dir, "--bitcoind", node, "--dry-run")
	if err != nil || !strings.Contains(out, "8 new") || !strings.Contains(out, "dry run") || !strings.Contains(out, "block 107\n") {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run left something: %v", err)
	}
	for _, want := range []string{"appointments 8 new, 0 updated, 0 here", "appointments 0 new, 0 updated, 8 here"} {
		out, err := importTeos(t, "--data-dir", dir, "--bitcoind", node, from)
		if err != nil || !strings.Contains(out, want) || !strings.Contains(out, "2 appointments too small") || !strings.Contains(out, "onion") {
			t.Errorf("%s, %v", out, err)
		}
	}
	mark, err := os.ReadFile(filepath.Join(dir, markFile))
	if err != nil {
		t.Fatal(err)
	}
	if key, err := loadKey(filepath.Join(dir, keyFile)); err != nil || teosID(key) != strings.TrimSpace(string(mark)) {
		t.Errorf("the key is not that of %s: %v", mark, err)
	}
	if onion, err := os.ReadFile(filepath.Join(dir, onionKeyFile)); err != nil || len(onion) != 64 {
		t.Errorf("%d bytes, %v", len(onion), err)
	}
}

// A last block that the node does not know any more is no obstacle: heights serve.
func TestAnUnknownLastBlockIsNoObstacle(t *testing.T) {
	out, err := importTeos(t, teosDir(t), "--data-dir", t.TempDir(), "--bitcoind", chainOf(t, "regtest", -1))
	if err != nil || !strings.Contains(out, "block 1\n") {
		t.Errorf("%s, %v", out, err)
	}
}

func TestAnImportIsRefused(t *testing.T) {
	other := t.TempDir()
	if _, err := loadKey(filepath.Join(other, keyFile)); err != nil {
		t.Fatal(err)
	}
	locked := t.TempDir()
	unlock, err := lockDir(filepath.Join(locked, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	lost := t.TempDir()
	if err := os.WriteFile(filepath.Join(lost, markFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir, network string
		more         []string
		want         error
	}{
		"into another tower":  {dir: other, network: "regtest", want: errOtherKey},
		"into one that runs":  {dir: locked, network: "regtest", want: errLocked},
		"into one that lost":  {dir: lost, network: "regtest", want: errMissing},
		"over another chain":  {dir: t.TempDir(), network: "main", want: chain.ErrWrongNetwork},
		"under another chain": {dir: t.TempDir(), network: "regtest", more: []string{"--network", "bitcoin"}, want: errOtherNetwork},
	} {
		args := append([]string{teosDir(t), "--data-dir", c.dir, "--bitcoind", chainOf(t, c.network, 250)}, c.more...)
		if out, err := importTeos(t, args...); !errors.Is(err, c.want) {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
}

// spoilt is such a directory, in which no appointment's signature can be read.
func spoilt(t *testing.T) (dir string) {
	t.Helper()
	dir = teosDir(t)
	file := filepath.Join(dir, "regtest", "teos_db.sql3")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	signature := regexp.MustCompile(`[a-km-uw-z13-9]{104}`)
	for _, at := range signature.FindAllIndex(content, -1) {
		content[at[0]] = '!'
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What is left behind is said last, and by the exit status: a script that goes on
// would start a tower that does not keep every promise.
func TestAnImportThatLeavesPromisesSaysSo(t *testing.T) {
	from, dir := spoilt(t), filepath.Join(t.TempDir(), "vigil")
	node := chainOf(t, "regtest", 250)
	for _, more := range []string{"--dry-run", "", ""} {
		args := []string{from, "--data-dir", dir, "--bitcoind", node}
		if more != "" {
			args = append(args, more)
		}
		out, err := importTeos(t, args...)
		if !errors.Is(err, errLeft) || !strings.Contains(err.Error(), "0 of 3 users and 8 of 8 appointments") {
			t.Errorf("%v: %v", args, err)
		}
		if strings.Count(out, "NOT TAKEN") != 8 || strings.Contains(out, "Now run") {
			t.Errorf("%v: %s", args, out)
		}
		if exists(filepath.Join(dir, keyFile)) != (more == "") {
			t.Errorf("%v: the key is there: %v", args, more != "")
		}
	}
}

func TestTheReportOfAnImportIsAligned(t *testing.T) {
	out, err := importTeos(t, teosDir(t), "--data-dir", t.TempDir(), "--bitcoind", chainOf(t, "regtest", 250), "--dry-run")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines[:len(lines)-1] {
		if len(line) < 14 || line[12] != ' ' || line[13] == ' ' {
			t.Errorf("not aligned: %q", line)
		}
	}
}

// A chain is called as the user called it.
func TestANetworkIsNamedAsItWasTyped(t *testing.T) {
	_, err := importTeos(t, teosDir(t), "--data-dir", t.TempDir(), "--bitcoind", chainOf(t, "regtest", 250), "--network", "mainnet")
	if !errors.Is(err, errOtherNetwork) || !strings.Contains(err.Error(), "--network says mainnet") || !strings.Contains(err.Error(), "regtest") {
		t.Errorf("got %v", err)
	}
}
