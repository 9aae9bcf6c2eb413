package store

import (
	"path/filepath"
	"strconv"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/gatekeeper"
	"vigil/internal/tower/responder"
	"vigil/internal/tower/watcher"
)

// withStore runs f in a transaction of a new store.
func withStore(t *testing.T, f func(*tx) error) {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(t.Context(), func(in tower.Tx) error { return f(in.(*tx)) }); err != nil {
		t.Fatal(err)
	}
}

// What a backend says may change with each try; what the chain says is kept.
func TestTheHistoryOfABreachIsBounded(t *testing.T) {
	withStore(t, func(tx *tx) error {
		add := func(kind responder.EventKind, detail string) {
			if err := tx.AddEvent(responder.Event{Row: 7, Height: 1, Kind: kind, Detail: detail}); err != nil {
				t.Fatal(err)
			}
		}
		add(responder.EventFound, "it")
		for n := range 3 * maxHistory {
			add(responder.EventRefused, strconv.Itoa(n))
		}
		add(responder.EventConfirmed, "it")
		history, err := tx.History(7)
		if err != nil {
			return err
		}
		last := history[len(history)-2]
		if len(history) != maxHistory+1 || history[0].Kind != responder.EventFound ||
			last.Detail != strconv.Itoa(3*maxHistory-1) || last.Repeats != 2*maxHistory+1 ||
			history[len(history)-1].Kind != responder.EventConfirmed {
			t.Errorf("%d events, the last refusal %+v", len(history), last)
		}
		newest, err := tx.LastEvent()
		if err != nil || newest != history[len(history)-1].ID {
			t.Errorf("the last event is %d, %v", newest, err)
		}
		return err
	})
}

func TestEventsInAllAreBounded(t *testing.T) {
	withStore(t, func(tx *tx) error {
		const more = 100
		_, err := tx.exec("fill", `
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= ?1)
			INSERT INTO events (id, at, height, kind, appointment_id, detail, repeats)
			SELECT CASE WHEN i > ?1 THEN i + ?2 - 1 ELSE i END, 0, i, 'blind', 0, '', 0 FROM n`,
			cutEvents+more, maxEvents)
		if err != nil {
			return err
		}
		for _, left := range []int{more + 1, 1, 1} {
			if err := tx.CutEvents(); err != nil {
				return err
			}
			var n int
			if _, err := tx.one("count", `SELECT COUNT(*) FROM events`, nil, []any{&n}); err != nil || n != left {
				t.Errorf("%d events are left, want %d: %v", n, left, err)
			}
		}
		oldest, err := tx.EventsAfter(0, 1)
		if err != nil || oldest[0].Height != cutEvents+more+1 {
			t.Errorf("the oldest is %+v, %v", oldest, err)
		}
		return err
	})
}

// proven stores an appointment with a blob of some bytes, and keeps the evidence
// of its breach.
func (t *tx) proven(user int64, n, size int) (row int64, err error) {
	dispute := chain.Tx{ID: [32]byte{byte(n), byte(n >> 8)}, Raw: []byte{1}}
	a := watcher.Appointment{UserRow: user, UserSignature: teos.Signature{31}}
	a.Locator, a.EncryptedBlob = teos.Locator{byte(n), byte(n >> 8)}, make([]byte, size)
	if row, err = t.PutAppointment(a); err != nil {
		return 0, err
	}
	if err := t.putDispute(dispute); err != nil {
		return 0, err
	}
	return row, t.addEvidence(row, dispute)
}

func TestEvidenceIsBoundedByItsSize(t *testing.T) {
	withStore(t, func(tx *tx) error {
		if err := tx.PutUser(gatekeeper.User{ID: teos.UserID{2}, Dialect: teos.V1}); err != nil {
			return err
		}
		const size = maxEvidenceBytes / 4
		for n := range 7 {
			if _, err := tx.proven(1, n, 10); err != nil {
				return err
			}
		}
		if _, err := tx.exec("grow", `UPDATE evidence SET bytes = id * ?`, size); err != nil {
			return err
		}
		row, err := tx.proven(1, 8, 10)
		if err != nil {
			return err
		}
		var evidence, disputes int
		_, err = tx.one("count", `SELECT (SELECT COUNT(*) FROM evidence), (SELECT COUNT(*) FROM disputes)`, nil,
			[]any{&evidence, &disputes})
		if evidence != 5 || disputes != 5 {
			t.Errorf("%d are kept, with %d disputes", evidence, disputes)
		}
		if err != nil {
			return err
		}
		for row, want := range map[int64]bool{1: false, 3: false, 4: true, row: true} {
			k, found, err := tx.EvidenceIn(row)
			if err != nil || found != want || found && (k.Dialect != teos.V1 || k.DisputeRaw == nil) {
				t.Errorf("row %d: %t, %v", row, found, err)
			}
		}
		return nil
	})
}

func TestEvidenceIsBoundedByItsCount(t *testing.T) {
	withStore(t, func(tx *tx) error {
		if err := tx.PutUser(gatekeeper.User{ID: teos.UserID{2}, Dialect: teos.V2}); err != nil {
			return err
		}
		_, err := tx.exec("fill", `
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= ?1)
			INSERT INTO evidence (id, appointment_id, dialect, dispute_txid, encrypted_blob, user_signature, start_block, bytes)
			SELECT CASE WHEN i > ?1 THEN i + ?2 - 1 ELSE i END, -i, 2, zeroblob(32), x'00', x'00', 0, i FROM n`,
			cutEvidence+4, maxEvidence)
		if err != nil {
			return err
		}
		for n, want := range []int{6, 3, 4} {
			if _, err := tx.proven(1, n, 1); err != nil {
				return err
			}
			var left int
			if _, err := tx.one("count", `SELECT COUNT(*) FROM evidence`, nil, []any{&left}); err != nil || left != want {
				t.Errorf("%d are kept, want %d: %v", left, want, err)
			}
		}
		return nil
	})
}
