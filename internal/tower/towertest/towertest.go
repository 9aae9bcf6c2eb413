// Package towertest is what the tests of the tower's parts share: a store in a
// file of the test's own, users that sign, and checks of what must hold always.
package towertest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/store"
)

// MinDelay is the least to_self_delay that requests made here may have.
const MinDelay = 20

// Check is the inspector that all requests made here have passed.
func Check() *inspector.Inspector {
	return inspector.New(inspector.Limits{MinToSelfDelay: MinDelay, MaxBlobSize: 1 << 20})
}

// Quiet is a logger for tests that do not look at the log.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// File returns a path for a store that the test may open more than once.
func File(t testing.TB) string { return filepath.Join(t.TempDir(), "vigil.db") }

// Open opens the store in a file and closes it with the test.
func Open(t testing.TB, file string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Key returns the same private key for the same n.
func Key(n byte) *btcec.PrivateKey {
	key, _ := btcec.PrivKeyFromBytes(chainhash.HashB([]byte{n}))
	return key
}

// User is a client of the tower.
type User struct {
	Key     *btcec.PrivateKey
	Dialect teos.Dialect
}

// NewUser returns the same user for the same n.
func NewUser(n byte, d teos.Dialect) User { return User{Key(n), d} }

// ID returns the user's public key.
func (u User) ID() teos.UserID { return teos.NewUserID(u.Key.PubKey()) }

// Register returns the user's registration.
func (u User) Register(t testing.TB) inspector.Register {
	t.Helper()
	id := u.ID()
	r, err := Check().RegisterOf(id[:], u.Dialect)
	must(t, err)
	return r
}

// Appointment returns the appointment that answers dispute with penalty.
func (u User) Appointment(dispute, penalty *wire.MsgTx) teos.Appointment {
	id := dispute.TxHash()
	return teos.Appointment{
		Locator:       teos.NewLocator(u.Dialect, id),
		EncryptedBlob: teos.EncryptBlob(u.Dialect, id, chaintest.Bytes(penalty)),
		ToSelfDelay:   MinDelay,
	}
}

// Add returns the signed request for an appointment.
func (u User) Add(t testing.TB, a teos.Appointment) inspector.AddAppointment {
	t.Helper()
	signature := teos.Sign(u.Key, a.Message())
	r, err := Check().AddAppointmentOf(a.Locator[:], a.EncryptedBlob, a.ToSelfDelay, signature[:])
	must(t, err)
	return r
}

// Get returns the signed question for an appointment.
func (u User) Get(t testing.TB, l teos.Locator) inspector.GetAppointment {
	t.Helper()
	signature := teos.Sign(u.Key, teos.GetAppointmentMessage(l.String()))
	r, err := Check().GetAppointmentOf(l[:], l.String(), signature[:])
	must(t, err)
	return r
}

// Delete returns the signed request to end an appointment.
func (u User) Delete(t testing.TB, l teos.Locator) inspector.DeleteAppointment {
	t.Helper()
	signature := teos.Sign(u.Key, teos.DeleteAppointmentMessage(l.String()))
	r, err := Check().DeleteAppointmentOf(l[:], l.String(), signature[:])
	must(t, err)
	return r
}

// Subscription returns the signed question for the user's subscription.
func (u User) Subscription(t testing.TB) inspector.GetSubscriptionInfo {
	t.Helper()
	signature := teos.Sign(u.Key, teos.SubscriptionInfoMessage())
	r, err := Check().GetSubscriptionInfoOf(signature[:])
	must(t, err)
	return r
}

// CheckSlots checks that free and filled slots of a user are together all
// that it was ever given: they always equal what is stored.
func CheckSlots(t testing.TB, s tower.Store, user teos.UserID, given uint32) {
	t.Helper()
	var free, filled uint32
	must(t, s.View(t.Context(), func(tx tower.Tx) error {
		u, err := tx.User(user)
		if err != nil {
			return err
		}
		free = u.Slots
		ls, _, err := tx.Locators(u.Row, 0, 1_000_000)
		for _, l := range ls {
			a, err := tx.Appointment(u.Row, l)
			if err != nil {
				return err
			}
			filled += a.Slots()
		}
		return err
	}))
	if free+filled != given {
		t.Errorf("%d slots are free and %d filled, of %d that were given", free, filled, given)
	}
}

// Update runs f in a transaction that must succeed.
func Update(t testing.TB, s tower.Store, f func(tower.Tx) error) {
	t.Helper()
	must(t, s.Update(context.WithoutCancel(t.Context()), f))
}

// Tx returns a transaction as a block holds it.
func Tx(msg *wire.MsgTx) chain.Tx {
	tx, err := chain.ParseTx(chaintest.Bytes(msg))
	if err != nil {
		panic(err)
	}
	return tx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
