package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/store"
	"vigil/internal/tower/watcher"
	"vigil/internal/tuning"
	"vigil/tests/harness"
)

// bareAnswer is as long as a receipt.
var bareAnswer = bytes.Repeat([]byte{' '}, 350)

// bareTower does of a request what no tower with these libraries can leave out: Go's
// own HTTP server, the check of what it says, the user's key, one row in the store
// and its commit, the receipt's signature. It knows no users and no limits, and is of
// no use but to measure that.
type bareTower struct {
	check *inspector.Inspector
	db    *store.DB
	key   *btcec.PrivateKey
	user  int64 // the row of whom all appointments belong to
}

// serveBare is what the process does that startBare starts. It ends when its standard
// input does.
func serveBare(dir string) error {
	tuning.SpareProcessor()
	tuning.HoldHeap()
	db, err := store.Open(context.Background(), filepath.Join(dir, "tower.sqlite"))
	if err != nil {
		return err
	}
	defer db.Close()
	t := &bareTower{check: inspector.New(inspector.Limits{MaxBlobSize: 2 * blobSize}), db: db}
	t.key, _ = btcec.PrivKeyFromBytes(hashOf("bare"))
	if err := db.Update(context.Background(), func(tx tower.Tx) (err error) {
		t.user, err = putUser(tx, strangerID(), 1_000_000_000)
		return err
	}); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	server := &http.Server{ReadTimeout: slow, Handler: http.HandlerFunc(t.serve)}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	_ = server.Serve(l)
	return nil
}

func (t *bareTower) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	switch r.URL.Path {
	case "/add_appointment":
		err = t.add(r.Context(), body)
	case "/register":
		err = t.register(r.Context(), body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(bareAnswer)
}

func (t *bareTower) add(ctx context.Context, body []byte) error {
	q, err := t.check.AddAppointment(body)
	if err != nil {
		return err
	}
	if _, err := teos.Recover(q.Appointment().Message(), q.Signature()); err != nil {
		return err
	}
	a := watcher.Appointment{UserRow: t.user, Appointment: q.Appointment(), UserSignature: q.Signature(), StartBlock: 1}
	err = t.db.Update(ctx, func(tx tower.Tx) error {
		_, err := tx.PutAppointment(a)
		return err
	})
	teos.Sign(t.key, teos.AppointmentReceipt{UserSignature: a.UserSignature, StartBlock: 1}.Message(teos.V2))
	return err
}

func (t *bareTower) register(ctx context.Context, body []byte) error {
	q, err := t.check.Register(body)
	if err != nil {
		return err
	}
	u := gatekeeper.User{ID: q.User(), Dialect: q.Dialect(), Slots: 1, Start: 1, Expiry: 2}
	err = t.db.Update(ctx, func(tx tower.Tx) error { return tx.PutUser(u) })
	teos.Sign(t.key, teos.RegistrationReceipt{User: u.ID, Slots: u.Slots, Start: u.Start, Expiry: u.Expiry}.Message(u.Dialect))
	return err
}

// startBare starts a bare tower, which runs until the benchmark's part ends.
func (b *bench) startBare() *served {
	b.Helper()
	self, err := os.Executable()
	b.check("find this program", err)
	cmd := exec.CommandContext(b.ctx, self, "-bare", harness.Dir(b))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	b.check("make a pipe", err)
	out, err := cmd.StdoutPipe()
	b.check("make a pipe", err)
	b.check("start a bare tower", cmd.Start())
	b.Cleanup(func() {
		_ = in.Close()
		b.check("wait for the bare tower", cmd.Wait())
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	b.check("read the bare tower's address", err)
	return &served{address: strings.TrimSpace(address), pid: cmd.Process.Pid}
}

// bareHTTP is the CPU that Go's own server takes for a request as long as one for an
// appointment, with so many clients, where it does nothing with it.
func (b *bench) bareHTTP(t *served, clients int) time.Duration {
	b.Helper()
	requests := slices.Repeat([][]byte{post(t.address, "nothing", make([]byte, 900))}, 30_000)
	b.load(t, clients, requests[:1000], phase, nil)
	return b.load(t, clients, requests, phase, nil).cpuEach()
}
