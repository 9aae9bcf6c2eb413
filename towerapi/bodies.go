package towerapi

import (
	"encoding/hex"

	"vigil/internal/teos"
	"vigil/internal/tower"
)

// The bodies of the API's answers: the union of what clients of both dialects
// read (docs/protocol.md). Both doors answer with them. Hex is lower case,
// transaction ids are as displayed, heights are block heights.

// Registered is the answer to register.
type Registered struct {
	UserID    string `json:"user_id"`
	PublicKey string `json:"public_key"`
	Slots     uint32 `json:"available_slots"`
	Start     uint32 `json:"subscription_start"`
	Expiry    uint32 `json:"subscription_expiry"`
	Signature string `json:"subscription_signature"`
}

// NewRegistered makes the answer from a registration.
func NewRegistered(r tower.Registration) Registered {
	return Registered{
		UserID: r.User.String(), PublicKey: r.User.String(),
		Slots: r.Slots, Start: r.Start, Expiry: r.Expiry, Signature: r.Signature.String(),
	}
}

// Accepted is the answer to add_appointment: the tower's receipt.
type Accepted struct {
	Locator    string `json:"locator"`
	StartBlock uint32 `json:"start_block"`
	Signature  string `json:"signature"`
	Slots      uint32 `json:"available_slots"`
	Expiry     uint32 `json:"subscription_expiry"`
}

// NewAccepted makes the answer from an acceptance.
func NewAccepted(a tower.Acceptance) Accepted {
	return Accepted{
		Locator: a.Locator.String(), StartBlock: a.StartBlock, Signature: a.Signature.String(),
		Slots: a.Slots, Expiry: a.Expiry,
	}
}

// The values of an appointment's status.
const (
	StatusWatched   = "being_watched"
	StatusResponded = "dispute_responded"
	StatusNotFound  = "not_found"
)

// Found is the answer to get_appointment. Appointment is a WatchedAppointment
// or a RespondedAppointment, as Status says.
type Found struct {
	Locator     string `json:"locator"`
	Status      string `json:"status"`
	Appointment any    `json:"appointment"`
}

// WatchedAppointment is an appointment whose dispute was not seen.
type WatchedAppointment struct {
	Locator       string `json:"locator"`
	EncryptedBlob string `json:"encrypted_blob"`
	ToSelfDelay   uint32 `json:"to_self_delay"`
}

// RespondedAppointment is an appointment whose penalty is on its way.
type RespondedAppointment struct {
	Locator      string `json:"locator"`
	DisputeTxid  string `json:"dispute_txid"`
	PenaltyTxid  string `json:"penalty_txid"`
	PenaltyRawtx string `json:"penalty_rawtx"`
}

// NewFound makes the answer from what became of an appointment.
func NewFound(w tower.Watched) Found {
	if !w.Triggered {
		return Found{w.Locator.String(), StatusWatched, WatchedAppointment{
			Locator: w.Locator.String(), EncryptedBlob: hex.EncodeToString(w.EncryptedBlob), ToSelfDelay: w.ToSelfDelay,
		}}
	}
	return Found{w.Locator.String(), StatusResponded, RespondedAppointment{
		Locator:     w.Locator.String(),
		DisputeTxid: w.Tracker.Dispute.ID.String(), PenaltyTxid: w.Tracker.Penalty.ID.String(),
		PenaltyRawtx: hex.EncodeToString(w.Tracker.Penalty.Raw),
	}}
}

// Deleted is the answer to delete_appointment.
type Deleted struct {
	Locator string `json:"locator"`
	Slots   uint32 `json:"available_slots"`
	Expiry  uint32 `json:"subscription_expiry"`
}

// NewDeleted makes the answer from a deletion.
func NewDeleted(d tower.Deletion) Deleted {
	return Deleted{Locator: d.Locator.String(), Slots: d.Slots, Expiry: d.Expiry}
}

// SubscriptionInfo is the answer to get_subscription_info. Both lists are the
// same, each under one dialect's name.
type SubscriptionInfo struct {
	Slots        uint32   `json:"available_slots"`
	Expiry       uint32   `json:"subscription_expiry"`
	Locators     []string `json:"locators"`
	Appointments []string `json:"appointments"`
}

// NewSubscriptionInfo makes the answer from a subscription.
func NewSubscriptionInfo(s tower.Subscription) SubscriptionInfo {
	locators := make([]string, len(s.Locators))
	for i, l := range s.Locators {
		locators[i] = l.String()
	}
	return SubscriptionInfo{Slots: s.Slots, Expiry: s.Expiry, Locators: locators, Appointments: locators}
}

// Failed is the answer to a request that was not served. Locator and Status
// are set for an appointment that was not found, as clients of v1 read it.
type Failed struct {
	Error   string `json:"error"`
	Code    int    `json:"error_code"`
	Locator string `json:"locator,omitempty"`
	Status  string `json:"status,omitempty"`
}

// NewFailed makes the answer from an error, in a dialect.
func NewFailed(e *teos.Error, d teos.Dialect) Failed {
	return Failed{Error: e.Text, Code: e.Cause.Code(d)}
}

// NotFound makes the answer for a locator without an appointment, from an
// error that says so: the union of both dialects'.
func NotFound(e *teos.Error, d teos.Dialect, l teos.Locator) Failed {
	f := NewFailed(e, d)
	f.Locator, f.Status = l.String(), StatusNotFound
	return f
}
