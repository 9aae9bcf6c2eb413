package proof

import (
	"fmt"

	"vigil/internal/teos"
)

// Names of the checks of receipts.
const (
	towerSignature = "tower_signature"
	userSignature  = "user_signature"
)

func (d document) checkRegistration(r *Report) {
	user, err := teos.ParseUserID(d.UserID)
	if err != nil {
		r.add(towerSignature, NotOK, "user_id: %v", err)
		return
	}
	if d.Slots == nil {
		r.add(towerSignature, NotChecked, "available_slots is missing: the receipt can't be put together")
		return
	}
	receipt := teos.RegistrationReceipt{User: user, Slots: *d.Slots, Expiry: *d.Expiry}
	dialects := d.dialects()
	if d.Start != nil {
		receipt.Start = *d.Start
	} else if d.Dialect == "" {
		dialects = []teos.Dialect{teos.V1}
	}
	d.checkTower(r, d.SubscriptionSignature, dialects, receipt.Message)
}

// checkTower checks who signed a receipt, whose message a dialect decides.
func (d document) checkTower(r *Report, signature string, dialects []teos.Dialect, message func(teos.Dialect) []byte) {
	if signature == "" {
		r.add(towerSignature, NotChecked, "the tower's signature is missing")
		return
	}
	sig, err := teos.ParseSignature(signature)
	if err != nil {
		r.add(towerSignature, NotOK, "the tower's signature: %v", err)
		return
	}
	var signers []teos.UserID
	for _, dialect := range dialects {
		signer, err := teos.Recover(message(dialect), sig)
		if err != nil {
			continue
		}
		if signer.String() == d.TowerID {
			r.Dialect = dialect.String()
			r.add(towerSignature, OK, "the tower %v signed this receipt", signer)
			return
		}
		signers = append(signers, signer)
	}
	switch {
	case len(signers) == 0:
		r.add(towerSignature, NotOK, "the tower's signature is none")
	case d.TowerID == "":
		r.add(towerSignature, NotChecked, "signed by %s: compare that with your tower's id, or give it as tower_id", either(signers, dialects))
	default:
		r.add(towerSignature, NotOK, "signed by %s and not by the tower %s, or changed since", either(signers, dialects), d.TowerID)
	}
}

// either names who signed, in either dialect.
func either(signers []teos.UserID, dialects []teos.Dialect) string {
	if len(signers) < 2 {
		return signers[0].String()
	}
	return fmt.Sprintf("%v (as a receipt of %v) or %v (of %v)", signers[0], dialects[0], signers[1], dialects[1])
}

// checkReceipt checks an appointment's receipt, and the appointment that it is for
// as far as that is there.
func (d document) checkReceipt(r *Report) {
	signature, err := teos.ParseSignature(d.UserSignature)
	switch {
	case d.UserSignature == "":
		r.add(towerSignature, NotChecked, "user_signature is missing: the receipt is signed over it")
	case err != nil:
		r.add(userSignature, NotOK, "user_signature: %v", err)
		return
	case d.StartBlock == nil:
		r.add(towerSignature, NotChecked, "start_block is missing: the receipt is signed over it")
	default:
		receipt := teos.AppointmentReceipt{UserSignature: signature, StartBlock: *d.StartBlock}
		d.checkTower(r, d.Signature, d.dialects(), receipt.Message)
	}
	if d.UserSignature != "" {
		d.checkUser(r, signature)
	}
}

// checkUser checks who signed the appointment.
func (d document) checkUser(r *Report, s teos.Signature) {
	if d.Locator == "" || d.EncryptedBlob == "" || d.ToSelfDelay == nil {
		r.add(userSignature, NotChecked, "the appointment is missing or not whole: locator, encrypted_blob, to_self_delay")
		return
	}
	locator, err := teos.ParseLocator(d.Locator)
	if err != nil {
		r.add(userSignature, NotOK, "%v", err)
		return
	}
	blob, err := teos.ParseHex(d.EncryptedBlob)
	if err != nil {
		r.add(userSignature, NotOK, "encrypted_blob: %v", err)
		return
	}
	a := teos.Appointment{Locator: locator, EncryptedBlob: blob, ToSelfDelay: *d.ToSelfDelay}
	signer, err := teos.Recover(a.Message(), s)
	switch {
	case err != nil:
		r.add(userSignature, NotOK, "the user's signature is none of this appointment")
	case d.UserID == "":
		r.UserID = signer.String()
		r.add(userSignature, NotChecked, "the appointment was signed by %v: compare that with the user's id", signer)
	case d.UserID == signer.String():
		r.add(userSignature, OK, "the user %v signed this appointment", signer)
	default:
		r.add(userSignature, NotOK, "the appointment was signed by %v and not by the user %s, or changed since", signer, d.UserID)
	}
}
