package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// blobSize is how large the blobs are, in bytes: about as large as that of a
// penalty transaction.
const blobSize = 300

// user is a client of the tower whose requests are made beforehand.
type user struct {
	key     *btcec.PrivateKey
	id      teos.UserID
	dialect teos.Dialect
}

var dialects = [...]teos.Dialect{teos.V2, teos.V1}

// newUser returns the same user for the same name.
func newUser(dialect teos.Dialect, name string) user {
	key, _ := btcec.PrivKeyFromBytes(hashOf(name))
	return user{key, teos.NewUserID(key.PubKey()), dialect}
}

// newUsers are users of both dialects.
func newUsers(n int) []user {
	users := make([]user, n)
	for i := range users {
		users[i] = newUser(dialects[i%2], fmt.Sprint("user ", i))
	}
	return users
}

// addRequests are those that hand appointments in.
func addRequests(address string, adds []addition) [][]byte {
	requests := make([][]byte, len(adds))
	for i, a := range adds {
		requests[i] = post(address, "add_appointment", a.body)
	}
	return requests
}

func (u user) registration() []byte {
	field := "user_id"
	if u.dialect == teos.V1 {
		field = "public_key"
	}
	return fmt.Appendf(nil, `{"%s":"%v"}`, field, u.id)
}

// addition is a request to add an appointment, signed.
type addition struct {
	user      user
	locator   teos.Locator
	signature teos.Signature
	body      []byte
}

// add makes a request for an appointment; a random one where it is empty.
func (u user) add(a teos.Appointment) addition {
	if a.EncryptedBlob == nil {
		a.EncryptedBlob, a.ToSelfDelay = make([]byte, blobSize), 144
		_, _ = rand.Read(a.EncryptedBlob) // never fails
		_, _ = rand.Read(a.Locator[:])
	}
	signature := teos.Sign(u.key, a.Message())
	return addition{u, a.Locator, signature, fmt.Appendf(nil,
		`{"appointment":{"locator":"%v","encrypted_blob":"%x","to_self_delay":%d},"signature":"%v"}`,
		a.Locator, a.EncryptedBlob, a.ToSelfDelay, signature)}
}

// newAdditions signs on all cores.
func newAdditions(users []user, n int) []addition {
	adds := make([]addition, n)
	var all sync.WaitGroup
	cores := runtime.NumCPU()
	for core := range cores {
		all.Go(func() {
			for i := core; i < n; i += cores {
				adds[i] = users[i%len(users)].add(teos.Appointment{})
			}
		})
	}
	all.Wait()
	return adds
}

func (u user) question(l teos.Locator) []byte {
	return fmt.Appendf(nil, `{"locator":"%v","signature":"%v"}`, l, teos.Sign(u.key, teos.GetAppointmentMessage(l.String())))
}

// verify holds a receipt against the tower's key.
func (a addition) verify(tower teos.UserID, body []byte) error {
	var receipt harness.Receipt
	if err := json.Unmarshal(body, &receipt); err != nil {
		return fmt.Errorf("the receipt %.300q: %w", body, err)
	}
	if receipt.Locator != a.locator.String() || receipt.StartBlock == nil {
		return fmt.Errorf("the receipt is for another appointment: %.300q", body)
	}
	signature, err := teos.ParseSignature(receipt.Signature)
	if err != nil {
		return err
	}
	promise := teos.AppointmentReceipt{UserSignature: a.signature, StartBlock: *receipt.StartBlock}
	signer, err := teos.Recover(promise.Message(a.user.dialect), signature)
	if err == nil && signer != tower {
		err = fmt.Errorf("the receipt is signed by %v, not by the tower %v", signer, tower)
	}
	return err
}

// verifyAll holds all receipts that came against the tower's key.
func (b *bench) verifyAll(tower teos.UserID, adds []addition, r result) {
	b.Helper()
	var all sync.WaitGroup
	cores := runtime.NumCPU()
	for core := range cores {
		all.Go(func() {
			for i := core; i < len(adds); i += cores {
				if r.answers[i].body == nil {
					continue
				}
				if err := adds[i].verify(tower, r.answers[i].body); err != nil {
					b.Errorf("appointment %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
}

func towerKey(text string) (teos.UserID, error) {
	raw, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return teos.UserID{}, err
	}
	return teos.UserIDFromBytes(raw)
}
