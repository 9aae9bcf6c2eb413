package towerapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/towerrpc"
)

// The benchmarks tell the CPU that this process takes for a request ("cpu-ns/op",
// system time included): their clients are another process, this test's binary
// started once more. Beside "real", the whole core over its store, stands
// "door", a core that does nothing: what is left is what both doors cost. On a
// machine that does other things, too, "recoveries/op" says more: the same CPU
// in units of one recovery of a signature, measured before and afterwards.

// asClient names the address to send to, in the process that is the client.
const asClient = "VIGIL_BENCH_CLIENT"

func TestMain(m *testing.M) {
	if address := os.Getenv(asClient); address != "" {
		if err := playClients(address, os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// benchBlob is the size of an ordinary encrypted blob in bytes.
const benchBlob = 300

var manySlots = gatekeeper.Terms{Slots: 1 << 18, Duration: 1000, Grace: 6}

// bodyOf makes the body of request n of a user.
type bodyOf func(u user, n int) string

func addBody(u user, n int) string {
	a := teos.Appointment{ToSelfDelay: 144, EncryptedBlob: bytes.Repeat([]byte{1}, benchBlob)}
	binary.BigEndian.PutUint64(a.Locator[:], uint64(n))
	return u.add(a)
}

func getBody(u user, n int) string {
	var l teos.Locator
	binary.BigEndian.PutUint64(l[:], uint64(n%8))
	return u.get(l)
}

func registerBody(u user, _ int) string { return u.register() }

func BenchmarkAdd(b *testing.B)      { benchmark(b, "/add_appointment", addBody) }
func BenchmarkGet(b *testing.B)      { benchmark(b, "/get_appointment", getBody) }
func BenchmarkRegister(b *testing.B) { benchmark(b, "/register", registerBody) }

func benchmark(b *testing.B, path string, body bodyOf) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("door/%d", clients), func(b *testing.B) {
			server := towerrpc.NewServer(idleCore{}, nil, inspector.New(benchLimits), slog.New(slog.DiscardHandler))
			defer server.Stop(b.Context())
			load(b, server.Client(), newUser(b, teos.V2), clients, path, body)
		})
		b.Run(fmt.Sprintf("real/%d", clients), func(b *testing.B) {
			core := newRealTower(b, manySlots)
			core.follow()
			u := newUser(b, teos.V2)
			prepare(b, core, u)
			load(b, core, u, clients, path, body)
		})
	}
}

// idleCore is a core that does nothing.
type idleCore struct{ towerrpc.Core }

var anySignature = teos.Signature{31}

func (idleCore) Ready(context.Context, bool) error { return nil }

func (idleCore) Register(_ context.Context, r inspector.Register) (tower.Registration, error) {
	return tower.Registration{RegistrationReceipt: teos.RegistrationReceipt{User: r.User()}, Signature: anySignature}, nil
}

func (idleCore) AddAppointment(_ context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
	return tower.Acceptance{Locator: r.Appointment().Locator, Signature: anySignature}, nil
}

func (idleCore) GetAppointment(_ context.Context, r inspector.GetAppointment) (w tower.Watched, _ error) {
	w.Locator, w.EncryptedBlob, w.ToSelfDelay = r.Locator(), make([]byte, benchBlob), 144
	return w, nil
}

// prepare registers a user and hands in the appointments that are asked for.
func prepare(b *testing.B, core *realTower, u user) {
	b.Helper()
	check := inspector.New(benchLimits)
	r, err := check.Register([]byte(u.register()))
	noError(b, err)
	_, err = core.Register(b.Context(), r)
	noError(b, err)
	for n := range 8 {
		a, err := check.AddAppointment([]byte(addBody(u, n)))
		noError(b, err)
		_, err = core.AddAppointment(b.Context(), a)
		noError(b, err)
	}
}

var benchLimits = inspector.Limits{MinToSelfDelay: minDelay, MaxBlobSize: maxBlob}

// load lets clients send b.N requests, each of which must succeed.
func load(b *testing.B, core Tower, u user, clients int, path string, body bodyOf) {
	b.Helper()
	loadAt(b, open(b, core), u, clients, path, body)
}

func loadAt(b *testing.B, address string, u user, clients int, path string, body bodyOf) {
	b.Helper()
	requests, err := os.CreateTemp(b.TempDir(), "requests")
	noError(b, err)
	defer requests.Close()
	out := bufio.NewWriter(requests)
	fmt.Fprintln(out, clients)
	for n := range b.N {
		text := body(u, n+8)
		request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: tower\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(text), text)
		fmt.Fprintf(out, "%d\n%s", len(request), request)
	}
	noError(b, out.Flush())
	_, err = requests.Seek(0, io.SeekStart)
	noError(b, err)

	client := exec.CommandContext(b.Context(), os.Args[0])
	client.Env = append(os.Environ(), asClient+"="+address)
	client.Stdin, client.Stderr = requests, os.Stderr
	recovery := recoveryTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	noError(b, client.Run())
	used := float64(cpuTime(b)-before) / float64(b.N)
	b.StopTimer()
	b.ReportMetric(used, "cpu-ns/op")
	b.ReportMetric(used/((recovery+recoveryTime(b))/2), "recoveries/op")
}

// recoveryTime is the CPU time of recovering a signature's key, in ns.
func recoveryTime(b *testing.B) float64 {
	b.Helper()
	const times = 500
	u := newUser(b, teos.V2)
	signature := teos.Sign(u.key, nil)
	before := cpuTime(b)
	for range times {
		_, err := teos.Recover(nil, signature)
		noError(b, err)
	}
	return float64(cpuTime(b)-before) / times
}

func open(b *testing.B, core Tower) (address string) {
	b.Helper()
	s := New(core, inspector.New(benchLimits), Config{Bind: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	b.Cleanup(func() { cancel(); noError(b, receive(b, ended)) })
	until(b, "the server to listen", func() bool { return s.Addr() != "" })
	return s.Addr()
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	noError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// playClients sends the requests that load wrote.
func playClients(address string, requests io.Reader) error {
	in := bufio.NewReader(requests)
	clients, err := number(in)
	if err != nil {
		return err
	}
	queue, failed := make(chan []byte, clients), make(chan error, clients)
	var playing sync.WaitGroup
	for range clients {
		playing.Go(func() { failed <- playClient(address, queue) })
	}
	for {
		size, err := number(in)
		if err != nil {
			break // the end
		}
		request := make([]byte, size)
		if _, err := io.ReadFull(in, request); err != nil {
			return err
		}
		queue <- request
	}
	close(queue)
	playing.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func number(in *bufio.Reader) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(line[:len(line)-1])
}

func playClient(address string, queue <-chan []byte) (err error) {
	defer func() {
		for range queue { // whoever fills it must not wait for a client that gave up
		}
	}()
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for request := range queue {
		if _, err := c.Write(request); err != nil {
			return err
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			return fmt.Errorf("%d %s, %w", response.StatusCode, text, err)
		}
	}
	return nil
}
