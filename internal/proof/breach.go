package proof

import (
	"errors"

	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
	"vigil/internal/tower/chain"
	"vigil/internal/tower/responder"
)

// checkBreach checks what evidence says of the transactions.
func (d document) checkBreach(r *Report) {
	id, err := chainhash.NewHashFromStr(d.DisputeTxid)
	if err != nil || len(d.DisputeTxid) != 2*chainhash.HashSize {
		r.add("dispute_tx", NotOK, "dispute_txid is no transaction id")
		return
	}
	dispute := d.checkDispute(r, *id)
	d.checkLocator(r, *id)
	penalty, found := d.checkPenalty(r, *id)
	if found {
		checkScripts(r, dispute, penalty)
		d.checkOutcome(r, penalty)
	}
}

// checkDispute returns the dispute; its Raw is nil where the document does not
// have it, or another.
func (d document) checkDispute(r *Report, id chainhash.Hash) chain.Tx {
	const check = "dispute_tx"
	if d.DisputeTx == "" {
		r.add(check, NotChecked, "the dispute's bytes are not in the document: take transaction %v from the chain", id)
		return chain.Tx{ID: id}
	}
	tx, err := parseTx(d.DisputeTx)
	switch {
	case err != nil:
		r.add(check, NotOK, "dispute_tx: %v", err)
	case tx.ID != id:
		r.add(check, NotOK, "dispute_tx is %v and not %v", tx.ID, id)
	default:
		r.add(check, OK, "dispute_tx is %v; whether it is in the chain, the chain tells", id)
		return tx
	}
	return chain.Tx{ID: id}
}

func parseTx(text string) (chain.Tx, error) {
	raw, err := teos.ParseHex(text)
	if err != nil {
		return chain.Tx{}, err
	}
	return chain.ParseTx(raw)
}

func (d document) checkLocator(r *Report, dispute chainhash.Hash) {
	const check = "locator"
	if d.Locator == "" {
		r.add(check, NotChecked, "the appointment is missing")
		return
	}
	for _, dialect := range d.dialects() {
		if teos.NewLocator(dialect, dispute).String() == d.Locator {
			r.add(check, OK, "the locator is that of the dispute")
			return
		}
	}
	r.add(check, NotOK, "the locator %s is not that of the dispute", d.Locator)
}

// checkPenalty returns the penalty that the blob holds. One that the document only
// claims proves nothing: nobody has signed it.
func (d document) checkPenalty(r *Report, dispute chainhash.Hash) (penalty chain.Tx, found bool) {
	raw, decrypted := d.decrypt(r, dispute)
	if !decrypted {
		return penalty, false
	}
	claimed, err := teos.ParseHex(d.PenaltyTx)
	switch {
	case d.PenaltyTx == "":
	case err != nil:
		r.add("penalty_tx", NotOK, "penalty_tx: %v", err)
	case string(raw) != string(claimed):
		r.add("penalty_tx", NotOK, "the blob holds another transaction")
	default:
		r.add("penalty_tx", OK, "the blob holds this penalty")
	}
	if penalty, err = chain.ParseTx(raw); err != nil {
		r.add("penalty_spends_dispute", NotOK, "what the blob holds is no transaction: %v", err)
		return penalty, false
	}
	if !penalty.Spends(dispute) {
		r.add("penalty_spends_dispute", NotOK, "the penalty %v does not spend the dispute", penalty.ID)
		return penalty, false
	}
	r.add("penalty_spends_dispute", OK, "the penalty %v spends the dispute", penalty.ID)
	return penalty, true
}

func (d document) decrypt(r *Report, dispute chainhash.Hash) (raw []byte, found bool) {
	const check = "blob"
	if d.EncryptedBlob == "" {
		r.add(check, NotChecked, "the appointment is missing: nothing ties these transactions to the receipt")
		return nil, false
	}
	blob, err := teos.ParseHex(d.EncryptedBlob)
	if err != nil {
		r.add(check, NotOK, "encrypted_blob: %v", err)
		return nil, false
	}
	// A tower tries both keys, so both count, whatever the dialect.
	for _, dialect := range []teos.Dialect{teos.V2, teos.V1} {
		if raw, err := teos.DecryptBlob(dialect, dispute, blob); err == nil {
			r.add(check, OK, "the dispute's id decrypts the blob")
			return raw, true
		}
	}
	r.add(check, NotOK, "the dispute's id does not decrypt the blob")
	return nil, false
}

// checkScripts tells whether the tower had the means to punish.
func checkScripts(r *Report, dispute, penalty chain.Tx) {
	const check = "penalty_scripts"
	if dispute.Raw == nil {
		r.add(check, NotChecked, "without the dispute's bytes the outputs that the penalty spends are not known")
		return
	}
	err := responder.Verify(penalty, responder.SpentOutputs(dispute, penalty))
	switch {
	case err == nil:
		r.add(check, OK, "the penalty is signed as it must be: with it the tower had the means to punish the breach")
	case errors.Is(err, responder.ErrUnverified):
		r.add(check, NotChecked, "the penalty spends more than the dispute, or is too large to check here")
	default:
		r.add(check, NotOK, "the penalty can't be valid: %v", err)
	}
}

// checkOutcome holds the claimed outcome against the penalty.
func (d document) checkOutcome(r *Report, penalty chain.Tx) {
	if d.PenaltyTxid != "" && d.PenaltyTxid != penalty.ID.String() {
		r.add("penalty_txid", NotOK, "the penalty's id is %v", penalty.ID)
	}
	if d.SpenderTxid == "" {
		return
	}
	const check = "outcome"
	punished := d.SpenderTxid == penalty.ID.String()
	claimed := d.State == "confirmed" || d.State == "resolved"
	switch {
	case punished != claimed:
		r.add(check, NotOK, "the state is %q, and what spent the dispute is %s", d.State, d.SpenderTxid)
	case punished:
		r.add(check, OK, "it claims that the penalty confirmed; that it is in the chain, the chain tells")
	default:
		r.add(check, OK, "it admits that %s spent what the penalty would have; the chain tells", d.SpenderTxid)
	}
}
