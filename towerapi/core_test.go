package towerapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/store"
	"vigil/internal/towerrpc"
)

// faultyStore is a store whose disk fails while broken.
type faultyStore struct {
	tower.Store
	broken atomic.Bool
}

func (s *faultyStore) Update(ctx context.Context, f func(tower.Tx) error) error {
	if s.broken.Load() {
		return errDisk
	}
	return s.Store.Update(ctx, f)
}

// realTower is the whole core behind its gRPC: store, tower and follower over
// a chain in memory.
type realTower struct {
	core *tower.Tower
	*towerrpc.Client
	t        testing.TB
	chain    *chaintest.Chain
	follower *chain.Follower
	store    *faultyStore
}

var terms = gatekeeper.Terms{Slots: 3, Duration: 10, Grace: 1000}

// newRealTower returns a core that follows no chain yet.
func newRealTower(t testing.TB, terms gatekeeper.Terms) *realTower {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	db, err := store.Open(t.Context(), filepath.Join(dir, "tower.db"))
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	key, err := btcec.NewPrivateKey()
	noError(t, err)
	r := &realTower{t: t, chain: chaintest.New(), store: &faultyStore{Store: db}}
	core := tower.New(key, r.store, tower.Terms{Terms: terms, RecentBlocks: 100}, log)
	r.core = core
	noError(t, core.Claim(t.Context(), "regtest"))
	r.follower, err = chain.NewFollower(r.chain, core, chain.Config{Network: "regtest", Poll: time.Minute, Log: log})
	noError(t, err)

	check := inspector.New(inspector.Limits{MinToSelfDelay: minDelay, MaxBlobSize: maxBlob})
	server := towerrpc.NewServer(core, nil, check, log)
	t.Cleanup(func() { server.Stop(context.Background()) })
	r.Client = server.Client()
	return r
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// follow follows the chain until the test ends, and waits until the tower is
// at its tip.
func (r *realTower) follow() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { r.follower.Run(ctx) })
	r.t.Cleanup(func() { cancel(); following.Wait() })
	r.catchUp()
}

func (r *realTower) catchUp() {
	r.t.Helper()
	r.follower.Hint()
	until(r.t, "the tower to catch up", func() bool {
		tip, _, err := r.core.Tip(r.t.Context())
		return err == nil && tip.Height == r.chain.Best().Height && r.Ping(r.t.Context(), false) == nil
	})
}

// doors are two servers of one core: users of each dialect go to the one
// whose codes for strangers are theirs.
type doors map[teos.Dialect]*running

func openDoors(t *testing.T, core Tower) doors {
	t.Helper()
	return doors{
		teos.V1: start(t, core, Config{Codes: teos.V1}, quick()),
		teos.V2: start(t, core, Config{Codes: teos.V2}, quick()),
	}
}

// want is a line of the table of errors.
type want struct{ status1, code1, status2, code2 int }

func (w want) check(t *testing.T, r reply, d teos.Dialect) {
	t.Helper()
	if d == teos.V1 {
		r.is(t, w.status1, w.code1)
		return
	}
	r.is(t, w.status2, w.code2)
}

func TestTableOfErrors(t *testing.T) {
	core := newRealTower(t, terms)
	core.chain.MineEmpty(3)
	core.follow()
	doors := openDoors(t, core)
	for d, door := range doors {
		t.Run(d.String(), func(t *testing.T) { tableOfErrors(t, core, door, d) })
	}
}

func tableOfErrors(t *testing.T, core *realTower, door *running, d teos.Dialect) {
	u, stranger := newUser(t, d), newUser(t, d)
	door.post("/register", u.register()).is(t, http.StatusOK, 0)
	short, large, early, huge := appointment(1), appointment(1), appointment(1), appointment(1)
	short.EncryptedBlob = short.EncryptedBlob[1:]
	large.EncryptedBlob = make([]byte, maxBlob+1)
	early.ToSelfDelay = minDelay - 1
	huge.EncryptedBlob = make([]byte, 2*maxBlob)
	good := u.add(appointment(1))
	field := u.keyField()

	cases := []struct {
		name, path, body string
		want             want
	}{
		{"no JSON", "/register", "register me", want{400, -65, 400, 6}},
		{"no object", "/add_appointment", "[]", want{400, -65, 400, 6}},
		{"no appointment", "/add_appointment", `{"signature":"x"}`, want{400, -1, 400, 1}},
		{"appointment null", "/add_appointment", `{"appointment":null}`, want{400, -1, 400, 1}},
		{"appointment no object", "/add_appointment", `{"appointment":"x"}`, want{400, -7, 400, 3}},
		{"field missing", "/add_appointment", `{"appointment":{}}`, want{400, -1, 400, 1}},
		{"field null", "/get_appointment", `{"locator":null}`, want{400, -1, 400, 1}},
		{"locator empty", "/get_appointment", `{"locator":""}`, want{400, -3, 400, 2}},
		{"blob empty", "/add_appointment", replace(good, hexBlob(1), ""), want{400, -4, 400, 2}},
		{"key empty", "/register", `{"` + field + `":""}`, want{400, -33, 400, 2}},
		{"wrong type", "/get_appointment", `{"locator":true}`, want{400, -2, 400, 3}},
		{"delay a bool", "/add_appointment", replace(good, `:20}`, `:true}`), want{400, -2, 400, 3}},
		{"delay a float", "/add_appointment", replace(good, `:20}`, `:20.0}`), want{400, -2, 400, 3}},
		{"locator too short", "/get_appointment", `{"locator":"abcd"}`, want{400, -3, 400, 4}},
		{"key too short", "/register", `{"` + field + `":"02abcd"}`, want{400, -34, 400, 4}},
		{"no hex", "/get_appointment", `{"locator":"xy"}`, want{400, -4, 400, 5}},
		{"odd length", "/get_appointment", `{"locator":"abc"}`, want{400, -4, 400, 5}},
		{"key missing", "/register", `{}`, want{400, -33, 400, 1}},
		{"key no hex", "/register", `{"` + field + `":"xy"}`, want{400, -34, 400, 5}},
		{"key not on the curve", "/register", `{"` + field + `":"02` + strings.Repeat("f", 64) + `"}`, want{400, -34, 400, 5}},
		{"delay too small", "/add_appointment", u.add(early), want{400, -5, 400, 33}},
		{"delay too large", "/add_appointment", replace(good, `:20}`, `:4294967296}`), want{400, -6, 400, 34}},
		{"blob too small", "/add_appointment", u.add(short), want{400, -5, 400, 33}},
		{"blob too large", "/add_appointment", u.add(large), want{413, -6, 413, 34}},
		{"body too large", "/add_appointment", pad(u.add(huge), 5*maxBlob), want{413, -6, 413, 34}},
		{"signature empty", "/get_subscription_info", `{"signature":""}`, want{400, -8, 400, 2}},
		{"signature malformed", "/get_subscription_info", `{"signature":"x"}`, want{400, -8, 401, 7}},
		{"unknown user", "/add_appointment", stranger.add(appointment(1)), want{400, -8, 401, 7}},
		{"unknown user asks", "/get_subscription_info", stranger.info(), want{400, -8, 401, 7}},
		{"the last slots", "/add_appointment", u.add(withSize(2, maxBlob)), want{200, 0, 200, 0}},
		{"no slots", "/add_appointment", u.add(withSize(3, maxBlob)), want{400, -8, 401, 7}},
		{"not found", "/get_appointment", u.get(appointment(9).Locator), want{404, 36, 404, 36}},
		{"no such path", "/registers", `{}`, want{404, -65, 404, 6}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.want.check(t, door.post(c.path, c.body), d) })
	}
	t.Run("wrong method", func(t *testing.T) {
		want{405, -65, 405, 6}.check(t, door.send(http.MethodGet, "/register", "", ""), d)
	})
	t.Run("triggered", func(t *testing.T) { triggered(t, core, door, d) })
	t.Run("subscription over", func(t *testing.T) {
		core.chain.MineEmpty(int(terms.Duration))
		core.catchUp()
		over := want{400, -8, 401, 7}
		over.check(t, door.post("/add_appointment", good), d)
		over.check(t, door.post("/get_appointment", u.get(appointment(2).Locator)), d)
		over.check(t, door.post("/get_subscription_info", u.info()), d)
	})
}

// triggered is a breach as its user sees it.
func triggered(t *testing.T, core *realTower, door *running, d teos.Dialect) {
	u := newUser(t, d)
	door.post("/register", u.register()).is(t, http.StatusOK, 0)
	dispute := chaintest.Dispute(uint32(d))
	penalty := chaintest.Penalty(dispute, 0)
	id := dispute.TxHash()
	a := teos.Appointment{Locator: teos.NewLocator(d, id), ToSelfDelay: minDelay,
		EncryptedBlob: teos.EncryptBlob(d, id, chaintest.Bytes(penalty))}
	door.post("/add_appointment", u.add(a)).is(t, http.StatusOK, 0)
	if r := door.post("/get_appointment", u.get(a.Locator)); r.status != http.StatusOK ||
		r.fields.Status != StatusWatched || !strings.Contains(r.raw, hex.EncodeToString(a.EncryptedBlob)) {
		t.Fatalf("before the breach: %v", r)
	}
	core.chain.Mine(dispute)
	core.catchUp()
	r := door.post("/get_appointment", u.get(a.Locator))
	if r.status != http.StatusOK || r.fields.Status != StatusResponded ||
		!strings.Contains(r.raw, `"dispute_txid":"`+id.String()) ||
		!strings.Contains(r.raw, `"penalty_rawtx":"`+hex.EncodeToString(chaintest.Bytes(penalty))) {
		t.Fatalf("after the breach: %v", r)
	}
	want{400, -9, 400, 35}.check(t, door.post("/add_appointment", u.add(a)), d)
	want{400, -9, 400, 35}.check(t, door.post("/delete_appointment", u.remove(a.Locator)), d)

	spare := appointment(200 + byte(d))
	door.post("/add_appointment", u.add(spare)).is(t, http.StatusOK, 0)
	want{404, 36, 401, 7}.check(t, door.post("/delete_appointment", u.get(spare.Locator)), d) // signed to get
	door.post("/delete_appointment", u.remove(spare.Locator)).is(t, http.StatusOK, 0)
	want{404, 36, 404, 36}.check(t, door.post("/delete_appointment", u.remove(spare.Locator)), d)
}

func hexBlob(n byte) string { return hex.EncodeToString(appointment(n).EncryptedBlob) }

func withSize(n byte, size int) teos.Appointment {
	a := appointment(n)
	a.EncryptedBlob = bytes.Repeat([]byte{n}, size)
	return a
}

// replace changes a body so that its signature does not matter any more.
func replace(body, old, other string) string {
	if !strings.Contains(body, old) {
		panic("nothing to replace")
	}
	return strings.Replace(body, old, other, 1)
}

// A known user is answered in its own dialect, whatever strangers are told.
func TestKnownUsersOwnDialect(t *testing.T) {
	core := newRealTower(t, terms)
	core.follow()
	doors := openDoors(t, core)
	for d, other := range map[teos.Dialect]teos.Dialect{teos.V1: teos.V2, teos.V2: teos.V1} {
		t.Run(d.String(), func(t *testing.T) {
			u, door := newUser(t, d), doors[other]
			door.post("/register", u.register()).is(t, http.StatusOK, 0)
			early := appointment(1)
			early.ToSelfDelay = 1
			want{400, -5, 400, 33}.check(t, door.post("/add_appointment", u.add(early)), d)
			want{413, -6, 413, 34}.check(t, door.post("/add_appointment", u.add(withSize(1, maxBlob+1))), d)
			door.post("/add_appointment", u.add(withSize(1, maxBlob))).is(t, http.StatusOK, 0)
			want{400, -8, 401, 7}.check(t, door.post("/add_appointment", u.add(withSize(2, maxBlob))), d)
			want{400, -65, 400, 6}.check(t, door.post("/add_appointment", "?"), other)
		})
	}
}

func TestNotFoundServesBothDialects(t *testing.T) {
	core := newRealTower(t, terms)
	core.follow()
	doors := openDoors(t, core)
	u, locator := newUser(t, teos.V1), appointment(1).Locator
	doors[teos.V1].post("/register", u.register()).is(t, http.StatusOK, 0)
	unsigned := fmt.Sprintf(`{"locator":"ABCD%026d01","signature":"x"}`, 0)
	missing := doors[teos.V1].post("/get_appointment", u.get(locator))
	for name, r := range map[string]reply{
		"v1, no appointment":      missing,
		"v1, unknown user":        doors[teos.V1].post("/get_appointment", newUser(t, teos.V1).get(locator)),
		"v1, malformed signature": doors[teos.V1].post("/get_appointment", unsigned),
		"v2, no appointment":      doors[teos.V2].post("/get_appointment", u.get(locator)),
	} {
		t.Run(name, func(t *testing.T) {
			r.is(t, http.StatusNotFound, 36)
			if r.fields.Locator != locator.String() || r.fields.Status != StatusNotFound || r.raw != missing.raw {
				t.Fatalf("%v", r)
			}
		})
	}
	t.Run("v2, unknown user", func(t *testing.T) {
		doors[teos.V2].post("/get_appointment", newUser(t, teos.V2).get(locator)).is(t, http.StatusUnauthorized, 7)
	})
}

func TestHexIsAnsweredInLowerCase(t *testing.T) {
	core := newRealTower(t, terms)
	core.follow()
	door := start(t, core, Config{}, quick())
	u, a := newUser(t, teos.V2), appointment(0xab)
	upper := func(body, text string) string { return replace(body, text, strings.ToUpper(text)) }
	for path, body := range map[string]string{"/register": upper(u.register(), u.id().String())} {
		if r := door.post(path, body); r.status != http.StatusOK || !strings.Contains(r.raw, u.id().String()) {
			t.Fatalf("%v", r)
		}
	}
	body := upper(upper(u.add(a), a.Locator.String()), hexBlob(0xab))
	if r := door.post("/add_appointment", body); r.status != http.StatusOK || r.fields.Locator != a.Locator.String() {
		t.Fatalf("%v", r)
	}
	r := door.post("/get_appointment", upper(u.get(a.Locator), a.Locator.String()))
	if r.status != http.StatusOK || r.fields.Locator != a.Locator.String() || !strings.Contains(r.raw, hexBlob(0xab)) {
		t.Fatalf("%v", r)
	}
	if r := door.post("/get_subscription_info", u.info()); strings.Count(r.raw, a.Locator.String()) != 2 {
		t.Fatalf("%v", r)
	}
}

func TestRegistrationThatOverflows(t *testing.T) {
	core := newRealTower(t, gatekeeper.Terms{Slots: math.MaxUint32, Duration: 10})
	core.follow()
	for d, door := range openDoors(t, core) {
		u := newUser(t, d)
		door.post("/register", u.register()).is(t, http.StatusOK, 0)
		want{400, -34, 400, 65}.check(t, door.post("/register", u.register()), d)
	}
}

// Before the first block nobody can register, so nobody is let in. With it they are, not
// when a store that failed would be tried again.
func TestBeforeTheFirstBlock(t *testing.T) {
	var asked atomic.Int32
	core := newRealTower(t, terms)
	tm := quick()
	tm.retry = time.Hour
	door := launch(t, pingCounter{core, &asked}, Config{}, tm)
	u := newUser(t, teos.V2)
	door.until("the third try", func() bool { return asked.Load() > 2 })
	if door.Addr() != "" {
		t.Fatalf("it listens on %s", door.Addr())
	}
	core.follow()
	door.awaitAddr()
	if said := door.log.String(); strings.Count(said, "waits for the tower's first block") != 1 || strings.Contains(said, "level=ERROR") {
		t.Fatalf("logged: %s", said)
	}
	door.send(http.MethodGet, "/ping", "", "").is(t, http.StatusOK, 0)
	door.post("/register", u.register()).is(t, http.StatusOK, 0)
	door.post("/add_appointment", u.add(appointment(1))).is(t, http.StatusOK, 0)
}

// pingCounter counts how often it was asked whether the tower is ready.
type pingCounter struct {
	Tower
	asked *atomic.Int32
}

func (p pingCounter) Ping(ctx context.Context, write bool) error {
	p.asked.Add(1)
	return p.Tower.Ping(ctx, write)
}

// With the disk broken, each client is told what makes it keep what it has, in
// its own dialect: reading still works.
func TestRealStoreFails(t *testing.T) {
	core := newRealTower(t, terms)
	core.follow()
	for d, door := range openDoors(t, core) {
		t.Run(d.String(), func(t *testing.T) {
			u := newUser(t, d)
			door.post("/register", u.register()).is(t, http.StatusOK, 0)
			core.store.broken.Store(true)
			want{503, -96, 401, 7}.check(t, door.post("/add_appointment", u.add(appointment(1))), d)
			door.until("the door to close", func() bool { return door.Addr() == "" })
			core.store.broken.Store(false)
			door.until("the door to open", func() bool { return door.Addr() != "" })
			door.post("/add_appointment", u.add(appointment(1))).is(t, http.StatusOK, 0)
		})
	}
}

// The chain may be away: appointments are taken all the same (invariant 9).
func TestAcceptingNeverWaitsForTheChain(t *testing.T) {
	core := newRealTower(t, terms)
	core.follow()
	core.chain.Fail(chaintest.TipCall, chaintest.Forever, errDisk)
	core.follower.Hint()
	until(t, "the chain to fail", func() bool { return core.follower.Status().Err != nil })
	door := start(t, core, Config{}, quick())
	u := newUser(t, teos.V2)
	door.post("/register", u.register()).is(t, http.StatusOK, 0)
	door.post("/add_appointment", u.add(appointment(1))).is(t, http.StatusOK, 0)
}

// The receipts are what a client of each dialect verifies.
func TestReceipts(t *testing.T) {
	core := newRealTower(t, terms)
	core.chain.MineEmpty(5)
	core.follow()
	door := start(t, core, Config{}, quick())
	for _, d := range []teos.Dialect{teos.V1, teos.V2} {
		u, a := newUser(t, d), appointment(1)
		var r Registered
		noError(t, json.Unmarshal([]byte(door.post("/register", u.register()).raw), &r))
		if r.UserID != u.id().String() || r.PublicKey != r.UserID || r.Slots != 3 || r.Start != 5 || r.Expiry != 15 {
			t.Fatalf("%+v", r)
		}
		registration := teos.RegistrationReceipt{User: u.id(), Slots: r.Slots, Start: r.Start, Expiry: r.Expiry}
		signedBy(t, core.core.ID(), registration.Message(d), r.Signature)
		var accepted Accepted
		noError(t, json.Unmarshal([]byte(door.post("/add_appointment", u.add(a)).raw), &accepted))
		if accepted.Locator != a.Locator.String() || accepted.Slots != 2 || accepted.StartBlock != 5 || accepted.Expiry != 15 {
			t.Fatalf("%+v", accepted)
		}
		receipt := teos.AppointmentReceipt{UserSignature: teos.Sign(u.key, a.Message()), StartBlock: accepted.StartBlock}
		signedBy(t, core.core.ID(), receipt.Message(d), accepted.Signature)
	}
}

func signedBy(t *testing.T, tower teos.UserID, message []byte, text string) {
	t.Helper()
	signature, err := teos.ParseSignature(text)
	noError(t, err)
	signer, err := teos.Recover(message, signature)
	noError(t, err)
	if signer != tower {
		t.Fatalf("signed by %v and not by %v", signer, tower)
	}
}
