// Package proof checks what towers hand out: receipts of either dialect, of this
// tower or any other, and the evidence of a breach. It needs no tower and trusts
// none: whoever has the document can check it.
package proof

import (
	"strings"

	"vigil/internal/teos"
)

// document is what may be in one: a registration receipt, an appointment receipt,
// or evidence, by the names that the HTTP API, the clients in the field and
// vigil-breach use. What is there decides what it is.
type document struct {
	TowerID   string `json:"tower_id"`
	UserID    string `json:"user_id"`
	PublicKey string `json:"public_key"` // user_id of v1
	Dialect   string `json:"dialect"`

	Slots                 *uint32 `json:"available_slots"`
	Start                 *uint32 `json:"subscription_start"`
	Expiry                *uint32 `json:"subscription_expiry"`
	SubscriptionSignature string  `json:"subscription_signature"`

	Appointment *appointment `json:"appointment"`
	appointment              // its parts without the object around them

	receipt
	// Receipt is the receipt as the clients of rust-teos print it in a tower's
	// misbehaving_proof.
	Receipt *receipt `json:"appointment_receipt"`

	State       string `json:"state"`
	DisputeTxid string `json:"dispute_txid"`
	DisputeTx   string `json:"dispute_tx"`
	PenaltyTxid string `json:"penalty_txid"`
	PenaltyTx   string `json:"penalty_tx"`
	SpenderTxid string `json:"spender_txid"`

	contrary bool // the appointment is there twice, and is not the same
}

type appointment struct {
	Locator       string  `json:"locator"`
	EncryptedBlob string  `json:"encrypted_blob"`
	ToSelfDelay   *uint32 `json:"to_self_delay"`
}

type receipt struct {
	UserSignature string  `json:"user_signature"`
	StartBlock    *uint32 `json:"start_block"`
	Signature     string  `json:"signature"` // the tower's
}

// normal puts what may be written in two ways in one place.
func (d document) normal() document {
	if d.Appointment != nil {
		d.contrary = d.contradicts(*d.Appointment)
		d.appointment = *d.Appointment
	}
	if d.Receipt != nil {
		d.receipt = *d.Receipt
	}
	if d.UserID == "" && d.PublicKey != "" {
		d.UserID = d.PublicKey
		if d.Dialect == "" {
			d.Dialect = teos.V1.String()
		}
	}
	if d.SubscriptionSignature == "" {
		d.SubscriptionSignature = d.Signature
	}
	return d
}

func (d document) contradicts(a appointment) bool {
	return d.Locator != "" && !strings.EqualFold(d.Locator, a.Locator) ||
		d.EncryptedBlob != "" && !strings.EqualFold(d.EncryptedBlob, a.EncryptedBlob) ||
		d.ToSelfDelay != nil && (a.ToSelfDelay == nil || *d.ToSelfDelay != *a.ToSelfDelay)
}

// dialects are those that the document may be of, the likelier first.
func (d document) dialects() []teos.Dialect {
	switch d.Dialect {
	case teos.V1.String():
		return []teos.Dialect{teos.V1}
	case teos.V2.String():
		return []teos.Dialect{teos.V2}
	default:
		return []teos.Dialect{teos.V2, teos.V1}
	}
}

func (d document) isEvidence() bool { return d.DisputeTxid != "" }

func (d document) isRegistration() bool {
	return !d.isEvidence() && d.Expiry != nil && d.StartBlock == nil && d.Locator == ""
}
