// Package hostile attacks the built binary, at its HTTP door and at its
// plugin's pipes, while honest users go on and breaches happen: what they want
// must succeed, and the tower's memory stays under a bound.
package hostile

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// Loopback addresses, of which each has ports of its own.
const (
	attackersHome = "127.0.1.1"
	honestHome    = "127.0.0.2"
)

// inStandIn runs the plugin in the stand-in over btcd.
var inStandIn = harness.Variants()[0]

// firstHeight is the chain's height when a tower starts.
const firstHeight = 110

// breach is a dispute, the penalty for it, and the appointment of a user.
type breach struct {
	dispute, penalty *wire.MsgTx
	user             *harness.Client
	appointment      teos.Appointment
}

func prepared(node *harness.Node, user *harness.Client) breach {
	dispute := node.Wallet.Dispute()
	penalty := node.Wallet.Penalty(dispute, harness.Fee)
	return breach{dispute, penalty, user, user.NewAppointment(dispute.TxHash(), penalty)}
}

// answered waits until the penalty is in the mempool and its user is told.
func (b breach) answered(t *testing.T, node *harness.Node) {
	t.Helper()
	txid := b.penalty.TxHash()
	harness.Until(t, "the penalty to enter the mempool", func() bool { return node.InMempool(txid) })
	harness.Until(t, "its user to be told", func() bool {
		held, err := b.user.Get(t.Context(), b.appointment.Locator)
		return err == nil && held.Status == harness.DisputeResponded
	})
}

// homeDoor is the HTTP door as clients at one address use it: they come again
// where they are told so, or where the connection failed.
type homeDoor struct {
	http  *http.Client
	base  string
	tries *atomic.Int64
}

func doorFrom(home string, address harness.HTTPDoor) homeDoor {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(home)}}
	return homeDoor{
		http: &http.Client{
			Timeout:   harness.Patience,
			Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
		},
		base: string(address), tries: new(atomic.Int64),
	}
}

// Ask tries until there is an answer that means something, with a deadline.
func (d homeDoor) Ask(ctx context.Context, method string, body any) (answer harness.Answer, err error) {
	encoded, err := jsonOf(body)
	if err != nil {
		return answer, err
	}
	if !harness.Eventually(ctx, harness.Patience, func() bool {
		d.tries.Add(1)
		answer, err = d.once(ctx, method, encoded)
		return err == nil && answer.Status != http.StatusTooManyRequests && answer.Status != http.StatusServiceUnavailable &&
			!strings.Contains(string(answer.Body), `"error_code":7`) // come again, in v2
	}) {
		return answer, fmt.Errorf("%s: status %d after many tries: %w", method, answer.Status, err)
	}
	return answer, nil
}

func (d homeDoor) once(ctx context.Context, method, body string) (harness.Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.base+"/"+method, strings.NewReader(body))
	if err != nil {
		return harness.Answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := d.http.Do(request)
	if err != nil {
		return harness.Answer{}, err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	return harness.Answer{Status: response.StatusCode, Header: response.Header, Body: read}, err
}

// memory is what a process has in RAM, in MiB.
type memory struct{ peak, now int }

func (m memory) String() string {
	return fmt.Sprintf("at most %d MiB, now %d MiB", m.peak, m.now)
}

func memoryOf(t *testing.T, pid int) memory {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatalf("the process is gone: %v", err)
	}
	return memory{peak: field(t, string(status), "VmHWM:"), now: field(t, string(status), "VmRSS:")}
}

func field(t *testing.T, status, name string) int {
	t.Helper()
	_, rest, _ := strings.Cut(status, name)
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatalf("no %s in %q", name, status)
	}
	return kib >> 10
}

// forgetPeak starts a new measurement of the peak. It is never higher than
// without, so what goes wrong here does no harm.
func forgetPeak(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// wantMemory demands that the process has stayed under a bound, in MiB, so many
// times as large.
func wantMemory(t *testing.T, pid, bound, factor int) {
	t.Helper()
	m := memoryOf(t, pid)
	t.Logf("memory: %v, bound %d MiB", m, bound*factor)
	if m.peak > bound*factor {
		t.Errorf("memory: %v, over the bound of %d MiB", m, bound*factor)
	}
}

// processes are those of a program that run in a directory.
func processes(t *testing.T, dir, program string) (pids []int) {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(entries) == 0 {
		t.Skipf("NOT RUN here: no /proc to look at (%v)", err)
	}
	for _, entry := range entries {
		cwd, _ := os.Readlink(filepath.Join(entry, "cwd")) // those of others can't be read
		exe, _ := os.Readlink(filepath.Join(entry, "exe"))
		ours := strings.TrimSuffix(exe, " (deleted)") == program
		if pid, err := strconv.Atoi(filepath.Base(entry)); err == nil && ours && cwd == dir {
			pids = append(pids, pid)
		}
	}
	return pids
}

// onlyProcess is the one that there has to be.
func onlyProcess(t *testing.T, dir, program string) int {
	t.Helper()
	pids := processes(t, dir, program)
	if len(pids) != 1 {
		t.Fatalf("processes of the tower: %v", pids)
	}
	return pids[0]
}

// every calls f at once and then in each period, until it says no more or ctx ends.
func every(ctx context.Context, period time.Duration, f func() bool) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
