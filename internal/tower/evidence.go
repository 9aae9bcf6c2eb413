package tower

import (
	"context"

	"vigil/internal/teos"
	"vigil/internal/tower/watcher"
)

// KeptEvidence is what is kept of the appointment of a breach, also after the
// breach is over.
type KeptEvidence struct {
	// Dialect of the user at that time, and so of the receipt.
	Dialect       teos.Dialect
	EncryptedBlob []byte
	UserSignature teos.Signature
	StartBlock    uint32
	// DisputeRaw is nil where the dispute's bytes are not known.
	DisputeRaw []byte
}

// Evidence is all that the tower can show of a breach.
type Evidence struct {
	Breach
	// Kept is nil where the evidence of a breach that is over has made room
	// for newer.
	Kept *KeptEvidence
	// PenaltyRaw is what the blob holds; Receipt the tower's signature over
	// the appointment's receipt, as the user got it. Both go with Kept.
	PenaltyRaw []byte
	Receipt    teos.Signature
}

// MaxEvidence is how many breaches of one locator are shown at once.
const MaxEvidence = 100

// EvidencePage is the evidence of a locator.
type EvidencePage struct {
	Evidence []Evidence
	// Height is the last block that was processed.
	Height uint32
	// More says that there are more than MaxEvidence.
	More bool
}

// Evidence returns what the tower can show of the breaches at a locator, those of
// the newest appointments first, of one user if that is not nil. It is
// teos.NotFound where there was none.
func (t *Tower) Evidence(ctx context.Context, l teos.Locator, user *teos.UserID) (page EvidencePage, err error) {
	err = t.store.View(ctx, func(tx Tx) error {
		tip, _, err := tx.Tip()
		if err != nil {
			return err
		}
		page.Height = tip.Height
		rows, err := tx.BreachesAt(l, user, MaxEvidence+1)
		if page.More = len(rows) > MaxEvidence; page.More {
			rows = rows[:MaxEvidence]
		}
		for _, row := range rows {
			e, err := t.evidence(tx, row)
			if err != nil {
				return err
			}
			page.Evidence = append(page.Evidence, e)
		}
		return err
	})
	if err == nil && len(page.Evidence) == 0 {
		err = teos.Errorf(teos.NotFound, "no breach is known at this locator; `breaches` lists those that are")
	}
	return page, err
}

func (t *Tower) evidence(tx Tx, row int64) (e Evidence, err error) {
	if e.Breach, _, err = tx.BreachIn(row); err != nil {
		return e, err
	}
	if e.History, err = tx.History(row); err != nil {
		return e, err
	}
	kept, found, err := tx.EvidenceIn(row)
	if err != nil || !found {
		return e, err
	}
	e.Kept = &kept
	receipt := teos.AppointmentReceipt{UserSignature: kept.UserSignature, StartBlock: kept.StartBlock}
	e.Receipt = teos.Sign(t.key, receipt.Message(kept.Dialect))
	if penalty, err := watcher.Penalty(e.Dispute.ID, kept.EncryptedBlob); err == nil {
		e.PenaltyRaw = penalty.Raw // a damaged one shows by its absence
	}
	return e, nil
}
