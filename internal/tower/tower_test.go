package tower_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/store"
	"vigil/internal/tower/towertest"
)

const (
	slots    = 100
	duration = 50
	grace    = 6
	recent   = 6
)

// bench is a tower on a store; blocks are handed to it by the test.
type bench struct {
	*tower.Tower
	t     *testing.T
	file  string
	store *store.DB
	chain *chaintest.Chain
	due   int // how often a penalty may have been due
	log   bytes.Buffer
}

// newBench returns a tower that has seen ten blocks.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, file: towertest.File(t), chain: chaintest.New()}
	b.open()
	b.chain.MineEmpty(10)
	b.must(b.Begin(t.Context(), b.chain.Best()))
	return b
}

func (b *bench) open() {
	b.t.Helper()
	b.store = towertest.Open(b.t, b.file)
	terms := tower.Terms{
		Terms:        gatekeeper.Terms{Slots: slots, Duration: duration, Grace: grace},
		RecentBlocks: recent,
	}
	b.Tower = tower.New(towertest.Key(0), b.store, terms, slog.New(slog.NewTextHandler(&b.log, nil)))
	b.OnPenaltyDue(func() { b.due++ })
	b.must(b.Claim(b.t.Context(), "regtest"))
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// mine connects a block with these transactions.
func (b *bench) mine(txs ...*wire.MsgTx) {
	b.t.Helper()
	b.must(b.Connect(b.t.Context(), b.chain.Mine(txs...)))
}

func (b *bench) mineEmpty(n int) {
	b.t.Helper()
	for range n {
		b.mine()
	}
}

func (b *bench) register(u towertest.User) tower.Registration {
	b.t.Helper()
	r, err := b.Register(b.t.Context(), u.Register(b.t))
	b.must(err)
	return r
}

// add hands an appointment in.
func (b *bench) add(u towertest.User, a teos.Appointment) tower.Acceptance {
	b.t.Helper()
	r, err := b.AddAppointment(b.t.Context(), u.Add(b.t, a))
	b.must(err)
	return r
}

// appointment answers the n-th dispute with a blob of this size, if it is
// larger than need be.
func appointment(u towertest.User, n uint32, size int) teos.Appointment {
	dispute := chaintest.Dispute(n)
	penalty := chaintest.Penalty(dispute, 0)
	size -= teos.BlobTagSize
	const output = 8 + 1 // value, size of the script
	if more := size - penalty.SerializeSize() - output; more > 0 {
		penalty.AddTxOut(wire.NewTxOut(0, make([]byte, more)))
		if over := penalty.SerializeSize() - size; over > 0 { // of the script's size
			penalty.TxOut[1].PkScript = make([]byte, more-over)
		}
	}
	return u.Appointment(dispute, penalty)
}

func (b *bench) wantCause(err error, cause teos.Cause, d teos.Dialect) {
	b.t.Helper()
	var e *teos.Error
	if !errors.As(err, &e) || e.Cause != cause || e.Dialect != d {
		b.t.Errorf("got %v (%+v), want cause %d in %v", err, e, cause, d)
	}
}

func (b *bench) wantSlots(u towertest.User, free, given uint32) {
	b.t.Helper()
	s, err := b.GetSubscriptionInfo(b.t.Context(), u.Subscription(b.t))
	b.must(err)
	if s.Slots != free {
		b.t.Errorf("%d slots are free, want %d", s.Slots, free)
	}
	towertest.CheckSlots(b.t, b.store, u.ID(), given)
}

var (
	alice = towertest.NewUser(1, teos.V2)
	bob   = towertest.NewUser(2, teos.V1)
)

// signedBy checks a receipt as a client of the dialect does.
func (b *bench) signedBy(s teos.Signature, message []byte) {
	b.t.Helper()
	if id, err := teos.Recover(message, s); err != nil || id != b.ID() {
		b.t.Errorf("the receipt is signed by %v, %v", id, err)
	}
}

func TestReceiptsVerifyInEitherDialect(t *testing.T) {
	b := newBench(t)
	for _, u := range []towertest.User{alice, bob} {
		r := b.register(u)
		if r.User != u.ID() || r.Slots != slots || r.Start != 10 || r.Expiry != 10+duration {
			t.Errorf("%v: registration %+v", u.Dialect, r)
		}
		b.signedBy(r.Signature, r.Message(u.Dialect))
		a := b.add(u, appointment(u, 1, 100))
		if a.StartBlock != 10 || a.Slots != slots-1 || a.Expiry != r.Expiry || a.UserSignature != teos.Sign(u.Key, appointment(u, 1, 100).Message()) {
			t.Errorf("%v: acceptance %+v", u.Dialect, a)
		}
		b.signedBy(a.Signature, a.AppointmentReceipt.Message(u.Dialect))
	}
	if b.ID() != teos.NewUserID(towertest.Key(0).PubKey()) {
		t.Errorf("tower id %v", b.ID())
	}
}

func TestTheDialectIsThatOfTheLastRegistration(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	for _, d := range []teos.Dialect{teos.V1, teos.V2} {
		again := towertest.User{Key: alice.Key, Dialect: d}
		r := b.register(again)
		b.signedBy(r.Signature, r.Message(d))
		_, err := b.GetAppointment(t.Context(), again.Get(t, teos.Locator{9}))
		b.wantCause(err, teos.NotFound, d)
		if got, err := b.Dialect(t.Context(), alice.ID()); got != d || err != nil {
			t.Errorf("dialect %v, %v, want %v", got, err, d)
		}
	}
	if got, err := b.Dialect(t.Context(), bob.ID()); got != 0 || err != nil {
		t.Errorf("a stranger's dialect is %v, %v", got, err)
	}
	towertest.CheckSlots(t, b.store, alice.ID(), 3*slots)
}

// A registration is not signed. Who gets receipts of the other dialect takes
// the tower for a cheat: no stranger may bring that about.
func TestADialectStaysWhileThereAreAppointments(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.add(alice, appointment(alice, 1, 100))
	stranger := towertest.User{Key: alice.Key, Dialect: teos.V1}
	r := b.register(stranger)
	b.signedBy(r.Signature, r.Message(teos.V1)) // what was asked for
	a := b.add(alice, appointment(alice, 2, 100))
	b.signedBy(a.Signature, a.AppointmentReceipt.Message(teos.V2))
	if got, err := b.Dialect(t.Context(), alice.ID()); got != teos.V2 || err != nil {
		t.Errorf("dialect %v, %v", got, err)
	}
}

func TestALocatorIsSignedAsItIsWritten(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	a := appointment(alice, 1, 100)
	b.add(alice, a)
	lower := a.Locator.String()
	upper := strings.ToUpper(lower)
	for _, c := range []struct{ written, signed string }{{lower, lower}, {upper, upper}, {upper, lower}} {
		s := teos.Sign(alice.Key, teos.GetAppointmentMessage(c.signed))
		r, err := towertest.Check().GetAppointmentOf(a.Locator[:], c.written, s[:])
		b.must(err)
		if w, err := b.GetAppointment(t.Context(), r); err != nil || w.Locator != a.Locator {
			t.Errorf("written %s, signed %s: %v", c.written, c.signed, err)
		}
	}
	s := teos.Sign(alice.Key, teos.GetAppointmentMessage(upper))
	r, err := towertest.Check().GetAppointmentOf(a.Locator[:], lower, s[:])
	b.must(err)
	_, err = b.GetAppointment(t.Context(), r)
	b.wantCause(err, teos.AuthenticationFailed, 0)
}

func TestInvariant7ARepeatCostsNothingAndGetsTheSameReceipt(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	first := b.add(alice, appointment(alice, 1, 5000))
	b.mineEmpty(3)
	for range 3 {
		if again := b.add(alice, appointment(alice, 1, 5000)); again != first {
			t.Errorf("got %+v, want %+v", again, first)
		}
	}
	b.wantSlots(alice, slots-3, slots)

	// Another signature of the same, as of a client with random nonces: the
	// promise is made anew, and costs nothing.
	a := appointment(alice, 1, 5000)
	other := otherSignature(t, alice, a)
	r, err := towertest.Check().AddAppointmentOf(a.Locator[:], a.EncryptedBlob, a.ToSelfDelay, other[:])
	b.must(err)
	got, err := b.AddAppointment(t.Context(), r)
	b.must(err)
	if got.StartBlock != 13 || got.UserSignature != other {
		t.Errorf("acceptance %+v", got)
	}
	b.signedBy(got.Signature, got.AppointmentReceipt.Message(teos.V2))
	b.wantSlots(alice, slots-3, slots)
}

// otherSignature is the mirror image of the usual one: (r, -s) with the other
// recovery id signs the same by the same key.
func otherSignature(t *testing.T, u towertest.User, a teos.Appointment) teos.Signature {
	t.Helper()
	s := teos.Sign(u.Key, a.Message())
	var scalar = new(btcec.ModNScalar)
	scalar.SetByteSlice(s[33:])
	scalar.Negate()
	negated := scalar.Bytes()
	copy(s[33:], negated[:])
	s[0] = 31 + ((s[0] - 31) ^ 1)
	if id, err := teos.Recover(a.Message(), s); err != nil || id != u.ID() {
		t.Fatalf("%v, %v", id, err)
	}
	return s
}

func TestAnUpdateTakesTheDifference(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	for _, c := range []struct {
		size int
		free uint32
	}{{100, 99}, {2048, 99}, {2049, 98}, {20_000, 90}, {4096, 98}, {4097, 97}, {200, 99}} {
		a := appointment(alice, 1, c.size)
		got := b.add(alice, a)
		if got.Slots != c.free || len(a.EncryptedBlob) != max(c.size, len(appointment(alice, 1, 0).EncryptedBlob)) {
			t.Errorf("%d bytes: %d slots are free, want %d", len(a.EncryptedBlob), got.Slots, c.free)
		}
		b.wantSlots(alice, c.free, slots)
		w, err := b.GetAppointment(t.Context(), alice.Get(t, a.Locator))
		b.must(err)
		if !bytes.Equal(w.EncryptedBlob, a.EncryptedBlob) || w.Triggered {
			t.Error("the update is not what is stored")
		}
	}
	// The delay alone is an update, too.
	a := appointment(alice, 1, 200)
	a.ToSelfDelay++
	b.add(alice, a)
	w, err := b.GetAppointment(t.Context(), alice.Get(t, a.Locator))
	b.must(err)
	if w.ToSelfDelay != a.ToSelfDelay {
		t.Errorf("delay %d", w.ToSelfDelay)
	}
}

func TestNotEnoughSlotsChangeNothing(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	small := appointment(alice, 1, 3000)
	b.add(alice, small)
	b.add(alice, appointment(alice, 2, 97*2048))
	for _, a := range []teos.Appointment{appointment(alice, 1, 4*2048), appointment(alice, 3, 2049)} {
		_, err := b.AddAppointment(t.Context(), alice.Add(t, a))
		b.wantCause(err, teos.NoSlots, teos.V2)
	}
	b.wantSlots(alice, 1, slots)
	w, err := b.GetAppointment(t.Context(), alice.Get(t, small.Locator))
	b.must(err)
	if !bytes.Equal(w.EncryptedBlob, small.EncryptedBlob) {
		t.Error("an update that was refused is stored")
	}
	_, err = b.GetAppointment(t.Context(), alice.Get(t, appointment(alice, 3, 0).Locator))
	b.wantCause(err, teos.NotFound, teos.V2)
}

func TestInvariant7UsersNeverSeeEachOther(t *testing.T) {
	b := newBench(t)
	carol := towertest.NewUser(3, teos.V2)
	b.register(alice)
	b.register(carol)
	mine, hers := appointment(alice, 1, 100), appointment(carol, 1, 5000)
	b.add(alice, mine)
	_, err := b.GetAppointment(t.Context(), carol.Get(t, mine.Locator))
	b.wantCause(err, teos.NotFound, teos.V2)
	b.add(carol, hers)
	for u, want := range map[towertest.User]teos.Appointment{alice: mine, carol: hers} {
		w, err := b.GetAppointment(t.Context(), u.Get(t, want.Locator))
		b.must(err)
		if !bytes.Equal(w.EncryptedBlob, want.EncryptedBlob) {
			t.Error("one got the other's appointment")
		}
		s, err := b.GetSubscriptionInfo(t.Context(), u.Subscription(t))
		b.must(err)
		if len(s.Locators) != 1 || s.Locators[0] != want.Locator {
			t.Errorf("locators %v", s.Locators)
		}
	}
	b.wantSlots(alice, slots-1, slots)
	b.wantSlots(carol, slots-3, slots)
	for name, call := range map[string]func() error{
		"add": func() error { _, err := b.AddAppointment(t.Context(), bob.Add(t, mine)); return err },
		"get": func() error { _, err := b.GetAppointment(t.Context(), bob.Get(t, mine.Locator)); return err },
		"get info": func() error {
			_, err := b.GetSubscriptionInfo(t.Context(), bob.Subscription(t))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { b.wantCause(call(), teos.AuthenticationFailed, 0) })
	}
}

// A signature of one thing is none of another.
func TestASignatureServesOneRequestOnly(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	a := appointment(alice, 1, 100)
	b.add(alice, a)
	s := teos.Sign(alice.Key, teos.SubscriptionInfoMessage())
	r, err := towertest.Check().GetAppointmentOf(a.Locator[:], a.Locator.String(), s[:])
	b.must(err)
	_, err = b.GetAppointment(t.Context(), r)
	b.wantCause(err, teos.AuthenticationFailed, 0)
	var none teos.Signature
	none[0] = 31
	r, err = towertest.Check().GetAppointmentOf(a.Locator[:], a.Locator.String(), none[:])
	b.must(err)
	_, err = b.GetAppointment(t.Context(), r)
	b.wantCause(err, teos.AuthenticationFailed, 0)
}

func TestNothingIsAcceptedBeforeTheFirstBlock(t *testing.T) {
	b := &bench{t: t, file: towertest.File(t), chain: chaintest.New()}
	b.open()
	_, err := b.Register(t.Context(), alice.Register(t))
	b.wantCause(err, teos.Unavailable, 0)
	b.wantCause(b.Ready(t.Context(), true), teos.Unavailable, 0)
	info, err := b.Info(t.Context())
	if err != nil || info.Height != 0 || info.Since.IsZero() {
		t.Errorf("info %+v, %v", info, err)
	}
	b.must(b.Begin(t.Context(), b.chain.Best()))
	b.must(b.Ready(t.Context(), false))
	b.must(b.Ready(t.Context(), true))
	b.register(alice)
}

func TestClaimKeepsAStoreForOneTower(t *testing.T) {
	b := newBench(t)
	b.must(b.Claim(t.Context(), "regtest"))
	if err := b.Claim(t.Context(), "main"); !errors.Is(err, tower.ErrOtherTower) || !strings.Contains(err.Error(), "ours is bitcoin") {
		t.Errorf("another network: %v", err)
	}
	other := tower.New(towertest.Key(9), b.store, tower.Terms{}, towertest.Quiet())
	if err := other.Claim(t.Context(), "regtest"); !errors.Is(err, tower.ErrOtherTower) {
		t.Errorf("another key: %v", err)
	}
	b.must(b.Claim(t.Context(), "regtest")) // the refused ones left nothing
	first, err := b.Info(t.Context())
	b.must(err)
	b.open()
	second, err := b.Info(t.Context())
	b.must(err)
	if first.ID != b.ID() || !first.Since.Equal(second.Since) {
		t.Errorf("info %+v, then %+v", first, second)
	}
}

// failingStore fails to commit what it was given.
type failingStore struct{ tower.Store }

var errDisk = errors.New("disk full")

func (s failingStore) Update(ctx context.Context, f func(tower.Tx) error) error {
	return s.Store.Update(ctx, func(tx tower.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errDisk
	})
}

func TestInvariant2NoReceiptWithoutACommit(t *testing.T) {
	b := newBench(t)
	b.register(alice)
	b.mine(chaintest.Dispute(1))
	terms := tower.Terms{Terms: gatekeeper.Terms{Slots: slots, Duration: duration}, RecentBlocks: recent}
	broken := tower.New(towertest.Key(0), failingStore{b.store}, terms, towertest.Quiet())
	if got, err := broken.Register(t.Context(), bob.Register(t)); !errors.Is(err, errDisk) || got.Signature != (teos.Signature{}) {
		t.Errorf("register: %+v, %v", got, err)
	}
	got, err := broken.AddAppointment(t.Context(), alice.Add(t, appointment(alice, 1, 100)))
	if !errors.Is(err, errDisk) || got.Signature != (teos.Signature{}) {
		t.Errorf("add: %+v, %v", got, err)
	}
	if err := broken.Connect(t.Context(), b.chain.Mine()); !errors.Is(err, errDisk) {
		t.Errorf("connect: %v", err)
	}
	if err := broken.Disconnect(t.Context(), 10); !errors.Is(err, errDisk) {
		t.Errorf("disconnect: %v", err)
	}
	if err := broken.Ready(t.Context(), true); !errors.Is(err, errDisk) {
		t.Errorf("ready: %v", err)
	}
	b.wantSlots(alice, slots, slots)
	if tip, _, err := b.Tip(t.Context()); err != nil || tip.Height != 11 {
		t.Errorf("tip %+v, %v", tip, err)
	}
}
