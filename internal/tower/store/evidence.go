package store

import (
	"database/sql"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
)

// Evidence is kept of so many breaches that are over, the newest, and of fewer
// where it is large: its slots were given back, so nobody pays for it any more.
// What exceeds that goes with each that comes, a few at once.
const (
	maxEvidence      = 10_000
	maxEvidenceBytes = 64 << 20
	cutEvidence      = 16
)

// addEvidence keeps the appointment of a breach that is over, with its dispute.
func (t *tx) addEvidence(row int64, dispute chain.Tx) error {
	n, err := t.exec("keep evidence", `
		INSERT INTO evidence (appointment_id, dialect, dispute_txid, encrypted_blob, user_signature, start_block, bytes)
		SELECT a.id, u.dialect, ?, a.encrypted_blob, a.user_signature, a.start_block,
		       COALESCE((SELECT MAX(bytes) FROM evidence), 0) + LENGTH(a.encrypted_blob) + ?
		FROM appointments a JOIN users u ON u.id = a.user_id WHERE a.id = ?`,
		dispute.ID[:], len(dispute.Raw), row)
	if err := one(n, err, "keep evidence"); err != nil {
		return err
	}
	for range cutEvidence {
		cut, err := t.cutEvidence()
		if err != nil || !cut {
			return err
		}
	}
	return nil
}

// cutEvidence deletes the oldest evidence, if there is too much.
func (t *tx) cutEvidence() (cut bool, err error) {
	var dispute []byte
	cut, err = t.one("cut evidence", `
		DELETE FROM evidence
		WHERE id = (SELECT MIN(id) FROM evidence)
		  AND (id <= (SELECT MAX(id) FROM evidence) - ? OR bytes <= (SELECT MAX(bytes) FROM evidence) - ?)
		RETURNING dispute_txid`, []any{maxEvidence, maxEvidenceBytes}, []any{&dispute})
	if err != nil || !cut {
		return cut, err
	}
	return true, t.dropDispute(dispute)
}

// dropDispute deletes the bytes of a dispute that nothing is about any more.
func (t *tx) dropDispute(id []byte) error {
	_, err := t.exec("drop a dispute", `
		DELETE FROM disputes WHERE txid = ?1
			AND NOT EXISTS (SELECT 1 FROM trackers WHERE dispute_txid = ?1)
			AND NOT EXISTS (SELECT 1 FROM evidence WHERE dispute_txid = ?1)`, id)
	return err
}

// BreachesAt implements tower.BreachStore.
func (t *tx) BreachesAt(l teos.Locator, user *teos.UserID, limit int) ([]int64, error) {
	var key []byte
	if user != nil {
		key = user[:]
	}
	var found []int64
	err := t.all("find the breaches of a locator", `
		SELECT t.id FROM trackers t JOIN appointments a ON a.id = t.id JOIN users u ON u.id = a.user_id
		WHERE a.locator = ?1 AND (?2 IS NULL OR public_key = ?2)
		UNION ALL
		SELECT appointment_id FROM resolutions WHERE locator = ?1 AND (?2 IS NULL OR public_key = ?2)
		ORDER BY 1 DESC LIMIT ?3`, []any{l[:], key, limit}, func(rows *sql.Rows) error {
		var row int64
		err := rows.Scan(&row)
		found = append(found, row)
		return err
	})
	return found, err
}

// EvidenceIn implements tower.BreachStore.
func (t *tx) EvidenceIn(row int64) (k tower.KeptEvidence, found bool, err error) {
	var signature []byte
	found, err = t.one("read evidence", `
		SELECT dialect, encrypted_blob, user_signature, start_block, raw FROM (
			SELECT dialect, encrypted_blob, user_signature, start_block, dispute_txid
			FROM trackers t JOIN appointments a ON a.id = t.id JOIN users u ON u.id = a.user_id WHERE t.id = ?1
			UNION ALL
			SELECT dialect, encrypted_blob, user_signature, start_block, dispute_txid
			FROM evidence WHERE appointment_id = ?1)
		LEFT JOIN disputes ON txid = dispute_txid LIMIT 1`,
		[]any{row}, []any{&k.Dialect, &k.EncryptedBlob, &signature, &k.StartBlock, &k.DisputeRaw})
	if err == nil && found {
		k.UserSignature, err = teos.SignatureFromBytes(signature)
	}
	return k, found, err
}
