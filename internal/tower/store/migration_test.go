package store

import (
	"path/filepath"
	"testing"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/responder"
)

// What the first version stored is there after an upgrade.
func TestAStoreOfTheFirstSchemaIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	first(t, file)
	db, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(t.Context(), func(tx tower.Tx) error {
		tr, err := tx.Tracker(7)
		if err != nil {
			return err
		}
		if tr.Penalty.ID != chaintest.Penalty(chaintest.Dispute(1), 0).TxHash() ||
			tr.Dispute.ID != chaintest.Dispute(1).TxHash() || tr.Dispute.Raw == nil ||
			tr.DisputeAt != 50 || tr.Judged != 60 || tr.Tries != 3 || tr.Reason != "full" || tr.Doubtful {
			t.Errorf("the tracker is %+v", tr)
		}
		found, err := tx.Breaches(tower.BreachQuery{Limit: 10})
		if err != nil {
			return err
		}
		if len(found) != 2 || found[0].State != tower.Refused || found[0].ToSelfDelay != 42 ||
			found[0].Penalty.ID != tr.Penalty.ID ||
			found[1].State != tower.Lost || found[1].User != (teos.UserID{2}) || found[1].Over != 151 {
			t.Errorf("breaches %+v", found)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// first makes a store as the first version did.
func first(t *testing.T, file string) {
	t.Helper()
	db, err := open(file, "immediate", 1, pragmas)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE schema_version (version INTEGER NOT NULL)`)
	if err := apply(t.Context(), db, "migrations/0001_tower.sql", 1); err != nil {
		t.Fatal(err)
	}
	user, zeros := teos.UserID{2}, make([]byte, 65)
	dispute := chaintest.Dispute(1)
	penalty := chaintest.Penalty(dispute, 0)
	id, penaltyID := dispute.TxHash(), penalty.TxHash()
	exec(`INSERT INTO users VALUES (1, ?, 2, 10, 0, 1000)`, user[:])
	blob := teos.EncryptBlob(teos.V2, id, chaintest.Bytes(penalty))
	exec(`INSERT INTO appointments VALUES (7, ?, 1, ?, 42, ?, 40)`, zeros[:16], blob, zeros)
	exec(`INSERT INTO trackers VALUES (7, ?, ?, 50, ?, 60, 0, ?, 0, 3, 60, 0, 'full')`,
		id[:], chaintest.Bytes(dispute), chaintest.Bytes(penalty), zeros[:32])
	exec(`INSERT INTO watches VALUES (?, 0, 7, 0)`, id[:])
	exec(`INSERT INTO resolutions VALUES (7, 1, ?, ?, ?, 2, ?, 52, 9, 151, '2026-01-02T03:04:05Z')`,
		zeros[:16], id[:], penaltyID[:], zeros[:32])
}

// A tracker whose appointment is damaged must not hide the others.
func TestATrackerOfADamagedBlobIsStillListed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vigil.db")
	first(t, file)
	db, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := raw(t, file).ExecContext(t.Context(), `UPDATE appointments SET encrypted_blob = x'00'`); err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx tower.Tx) error {
		due, err := tx.Due(100, responder.AtBlock, 0, 10)
		if len(due) != 1 || due[0].Penalty.Raw != nil {
			t.Errorf("due: %+v", due)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
