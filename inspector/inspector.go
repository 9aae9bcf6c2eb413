// Package inspector turns untrusted requests into checked ones. It is the
// only way inward: the gRPC client takes nothing but the types made here, and
// they can't be made elsewhere. Both doors and the gRPC server use it.
//
// Fields are checked in the order locator, to_self_delay, encrypted_blob,
// signature; the first failure is reported, as a *teos.Error whose cause is a
// line of the table of errors in docs/protocol.md.
package inspector

import (
	"vigil/internal/teos"
)

// Inspector checks requests against the operator's limits.
type Inspector struct {
	limits Limits
	keys   keys
}

// Limits are the operator's. See New for what they may be.
type Limits struct {
	// MinToSelfDelay is the least to_self_delay accepted, in blocks: under
	// it there may be no time to answer a breach.
	MinToSelfDelay uint32
	// MaxBlobSize is the greatest encrypted blob accepted, in bytes.
	MaxBlobSize int
}

// New returns an Inspector for these limits.
func New(l Limits) *Inspector { return &Inspector{limits: l} }

// MaxBlobSize returns the limit, for those who bound what they read by it.
func (i *Inspector) MaxBlobSize() int { return i.limits.MaxBlobSize }

// Register is a checked registration.
type Register struct {
	user    teos.UserID
	dialect teos.Dialect
	token   teos.Token
	address string
	trusted bool
}

// maxAddress bounds how a client's address is told, in bytes.
const maxAddress = 64

// From returns the registration with what is known of its client: the token of an
// invitation, ignored where it can't be one, and its address.
func (r Register) From(token, address string) Register {
	r.token, _ = teos.ParseToken(token)
	r.address = address[:min(len(address), maxAddress)]
	return r
}

// ByOperator returns the registration as one of the operator himself: its key is
// admitted.
func (r Register) ByOperator() Register {
	r.trusted = true
	return r
}

// Token returns the token of an invitation, "" if none was shown.
func (r Register) Token() teos.Token { return r.token }

// Address returns the client's address for the operator to see, "" if unknown.
func (r Register) Address() string { return r.address }

// Trusted tells whether the operator himself registers the key.
func (r Register) Trusted() bool { return r.trusted }

// User returns who registers.
func (r Register) User() teos.UserID { return r.user }

// Dialect returns the dialect that the user showed by the field it used.
func (r Register) Dialect() teos.Dialect { return r.dialect }

// AddAppointment is a checked appointment with a well-formed signature, whose
// key is not known yet to be a user's.
type AddAppointment struct {
	appointment teos.Appointment
	signature   teos.Signature
}

// Appointment returns the appointment.
func (r AddAppointment) Appointment() teos.Appointment { return r.appointment }

// Signature returns the user's signature over the appointment.
func (r AddAppointment) Signature() teos.Signature { return r.signature }

// GetAppointment is a checked question for an appointment.
type GetAppointment struct {
	locator   teos.Locator
	written   string
	signature teos.Signature
}

// Locator returns which appointment is asked for.
func (r GetAppointment) Locator() teos.Locator { return r.locator }

// Written returns the locator as the user wrote it, in hex of either case. The
// signature is over that text.
func (r GetAppointment) Written() string { return r.written }

// Signature returns the user's signature over the question.
func (r GetAppointment) Signature() teos.Signature { return r.signature }

// DeleteAppointment is a checked request to end an appointment: it has what a
// question for it has.
type DeleteAppointment struct{ GetAppointment }

// GetSubscriptionInfo is a checked question for a subscription.
type GetSubscriptionInfo struct {
	signature teos.Signature
	after     int64
}

// From returns the question for the page of appointments that begins there: see
// tower.Subscription.
func (r GetSubscriptionInfo) From(after int64) GetSubscriptionInfo {
	r.after = after
	return r
}

// After returns where the page begins that is asked for, 0 for the first.
func (r GetSubscriptionInfo) After() int64 { return r.after }

// Signature returns the user's signature over the question.
func (r GetSubscriptionInfo) Signature() teos.Signature { return r.signature }
