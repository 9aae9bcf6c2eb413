// Package watcher finds the breaches in a block: which transaction is the
// dispute of which appointment, and what the appointment answers to it. It
// decides and changes nothing.
package watcher

import (
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
)

// ErrNoAppointment is what a Store answers for an appointment that is not
// there.
var ErrNoAppointment = errors.New("no such appointment")

// ErrNoPenalty says that an appointment can't answer its dispute: its blob
// does not decrypt, or to something that does not spend the dispute.
var ErrNoPenalty = errors.New("the blob holds no penalty for this dispute")

// ErrUnreadable says that the store can't read an appointment.
var ErrUnreadable = errors.New("an appointment can't be read")

// Appointment is an appointment as it was accepted.
type Appointment struct {
	// Row is the store's own name for the appointment; 0 before it is
	// stored. UserRow is that of its user.
	Row, UserRow int64
	teos.Appointment
	UserSignature teos.Signature
	// StartBlock is the height that was processed when it was accepted.
	StartBlock uint32
	// Triggered says that its dispute was seen: it has a tracker.
	Triggered bool
}

// Slots returns how many slots the appointment fills.
func (a Appointment) Slots() uint32 { return teos.Slots(len(a.EncryptedBlob)) }

// Store is what the watcher needs of a transaction.
type Store interface {
	// Appointment returns a user's appointment, or ErrNoAppointment.
	Appointment(userRow int64, l teos.Locator) (Appointment, error)
	// PutAppointment inserts an appointment whose Row is 0, else replaces
	// that row; it returns the row.
	PutAppointment(a Appointment) (int64, error)
	// RowsAt returns the rows of the appointments of all users at any of
	// these locators, by indexed queries, whether triggered or not.
	RowsAt(ls []teos.Locator) ([]int64, error)
	// AppointmentIn returns the appointment in a row, or ErrNoAppointment.
	AppointmentIn(row int64) (Appointment, error)
	// RecentTransaction returns the transaction among the recent blocks
	// that a locator names in either dialect, and its height.
	RecentTransaction(l teos.Locator) (id chainhash.Hash, height uint32, found bool, err error)
}

// Match is an appointment whose dispute is in a block.
type Match struct {
	Appointment Appointment
	Dispute     chain.Tx
	// Penalty answers the dispute; it is empty where Err is set, which is
	// ErrNoPenalty, or ErrUnreadable, where nothing else is known.
	Penalty chain.Tx
	Err     error
}

// Scan calls found with the match of every appointment whose dispute is in the
// block, one after the other: strangers may have put any number of large ones
// under one locator. Transaction ids are taken in both byte orders, whatever the
// user's dialect: a tower that misses a breach over byte order has failed.
func Scan(s Store, b *chain.Block, found func(Match) error) error {
	locators := locatorsOf(b)
	rows, err := s.RowsAt(locators)
	if err != nil {
		if rows, err = oneByOne(s, locators, err, found); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil // as nearly always: nothing is built for it
	}
	txs := make(map[teos.Locator]int, len(locators))
	for i, l := range locators {
		txs[l] = i / 2
	}
	for _, row := range rows {
		a, err := s.AppointmentIn(row)
		m := Match{Appointment: a}
		if err != nil {
			m.Err = fmt.Errorf("%w: row %d: %w", ErrUnreadable, row, err)
		} else {
			m = match(a, b.Txs[txs[a.Locator]])
		}
		if err := found(m); err != nil {
			return err
		}
	}
	return nil
}

// locatorsOf returns the two locators of each transaction, in their order.
func locatorsOf(b *chain.Block) []teos.Locator {
	ls := make([]teos.Locator, 0, 2*len(b.Txs))
	for i := range b.Txs {
		two := Locators(b.Txs[i].ID)
		ls = append(ls, two[0], two[1])
	}
	return ls
}

// oneByOne looks for each locator by itself where the look-up of all together
// fails: one damaged page must not hide what lies on the others.
func oneByOne(s Store, ls []teos.Locator, why error, found func(Match) error) (rows []int64, err error) {
	if err := found(Match{Err: fmt.Errorf("%w: %w", ErrUnreadable, why)}); err != nil {
		return nil, err
	}
	for i := range ls {
		some, err := s.RowsAt(ls[i : i+1])
		if err != nil {
			continue // it was told above
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

func match(a Appointment, dispute chain.Tx) Match {
	penalty, err := Penalty(dispute.ID, a.EncryptedBlob)
	if err == nil && !penalty.SpendsOutputOf(dispute) {
		err = ErrNoPenalty
	}
	return Match{Appointment: a, Dispute: dispute, Penalty: penalty, Err: err}
}

// Locators returns the locators that name a transaction, one of each dialect.
func Locators(id chainhash.Hash) [2]teos.Locator {
	return [2]teos.Locator{teos.NewLocator(teos.V1, id), teos.NewLocator(teos.V2, id)}
}

// Penalty decrypts a blob with its dispute's id, by the key of either dialect,
// and returns the transaction if it spends the dispute. Nothing else is ever
// published: a tower is no relay for what strangers encrypt. All failures are
// ErrNoPenalty.
func Penalty(dispute chainhash.Hash, blob []byte) (chain.Tx, error) {
	for _, d := range []teos.Dialect{teos.V2, teos.V1} {
		raw, err := teos.DecryptBlob(d, dispute, blob)
		if err != nil {
			continue
		}
		tx, err := chain.ParseTx(raw)
		if err != nil || !tx.Spends(dispute) {
			return chain.Tx{}, ErrNoPenalty
		}
		return tx, nil
	}
	return chain.Tx{}, ErrNoPenalty
}
