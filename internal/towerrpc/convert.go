package towerrpc

import (
	"bytes"
	"errors"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain"
	"vigil/internal/towerpb"
)

// Conversions between the core's values and their messages. What the client
// receives is parsed as strictly as what the server does: an answer that
// can't be right is a defect, not a receipt.

func registrationToPB(r tower.Registration) *towerpb.RegisterResponse {
	return &towerpb.RegisterResponse{
		UserId: r.User[:], AvailableSlots: r.Slots, SubscriptionStart: r.Start,
		SubscriptionExpiry: r.Expiry, SubscriptionSignature: r.Signature.String(),
	}
}

func registrationFromPB(in *towerpb.RegisterResponse, user teos.UserID) (r tower.Registration, err error) {
	r.User, r.Slots, r.Start, r.Expiry = user, in.GetAvailableSlots(), in.GetSubscriptionStart(), in.GetSubscriptionExpiry()
	if !bytes.Equal(in.GetUserId(), user[:]) {
		return r, errors.New("the registration is another user's")
	}
	r.Signature, err = teos.ParseSignature(in.GetSubscriptionSignature())
	return r, err
}

func appointmentToPB(a teos.Appointment) *towerpb.Appointment {
	return &towerpb.Appointment{
		Locator: a.Locator[:], EncryptedBlob: a.EncryptedBlob, ToSelfDelay: a.ToSelfDelay,
	}
}

func acceptanceToPB(a tower.Acceptance) *towerpb.AddAppointmentResponse {
	return &towerpb.AddAppointmentResponse{
		Locator: a.Locator[:], StartBlock: a.StartBlock, Signature: a.Signature.String(),
		AvailableSlots: a.Slots, SubscriptionExpiry: a.Expiry,
	}
}

func acceptanceFromPB(in *towerpb.AddAppointmentResponse, r inspector.AddAppointment) (a tower.Acceptance, err error) {
	a.UserSignature, a.StartBlock = r.Signature(), in.GetStartBlock()
	a.Slots, a.Expiry = in.GetAvailableSlots(), in.GetSubscriptionExpiry()
	if a.Locator, err = teos.LocatorFromBytes(in.GetLocator()); err != nil {
		return a, err
	}
	a.Signature, err = teos.ParseSignature(in.GetSignature())
	return a, err
}

func watchedToPB(w tower.Watched) *towerpb.GetAppointmentResponse {
	if !w.Triggered {
		return &towerpb.GetAppointmentResponse{State: &towerpb.GetAppointmentResponse_BeingWatched{
			BeingWatched: appointmentToPB(w.Appointment.Appointment),
		}}
	}
	return &towerpb.GetAppointmentResponse{State: &towerpb.GetAppointmentResponse_DisputeResponded{
		DisputeResponded: &towerpb.Tracker{
			Locator: w.Locator[:], DisputeTxid: w.Tracker.Dispute.ID[:],
			PenaltyTxid: w.Tracker.Penalty.ID[:], PenaltyRawtx: w.Tracker.Penalty.Raw,
		},
	}}
}

func watchedFromPB(in *towerpb.GetAppointmentResponse) (w tower.Watched, err error) {
	if a := in.GetBeingWatched(); a != nil {
		w.EncryptedBlob, w.ToSelfDelay = a.GetEncryptedBlob(), a.GetToSelfDelay()
		w.Locator, err = teos.LocatorFromBytes(a.GetLocator())
		return w, err
	}
	t := in.GetDisputeResponded()
	w.Triggered = true
	if w.Locator, err = teos.LocatorFromBytes(t.GetLocator()); err != nil {
		return w, err
	}
	if err := w.Tracker.Dispute.ID.SetBytes(t.GetDisputeTxid()); err != nil {
		return w, err
	}
	w.Tracker.Penalty, err = chain.ParseTx(t.GetPenaltyRawtx())
	return w, err
}

func deletionFromPB(in *towerpb.DeleteAppointmentResponse, r inspector.DeleteAppointment) (d tower.Deletion, err error) {
	d.Slots, d.Expiry = in.GetAvailableSlots(), in.GetSubscriptionExpiry()
	if d.Locator, err = teos.LocatorFromBytes(in.GetLocator()); err == nil && d.Locator != r.Locator() {
		err = errors.New("another appointment was deleted")
	}
	return d, err
}

func subscriptionToPB(s tower.Subscription) *towerpb.GetSubscriptionInfoResponse {
	out := &towerpb.GetSubscriptionInfoResponse{AvailableSlots: s.Slots, SubscriptionExpiry: s.Expiry, Next: s.Next}
	for i := range s.Locators {
		out.Locators = append(out.Locators, s.Locators[i][:])
	}
	return out
}

func subscriptionFromPB(in *towerpb.GetSubscriptionInfoResponse) (tower.Subscription, error) {
	s := tower.Subscription{Slots: in.GetAvailableSlots(), Expiry: in.GetSubscriptionExpiry(), Next: in.GetNext()}
	for _, b := range in.GetLocators() {
		l, err := teos.LocatorFromBytes(b)
		if err != nil {
			return s, err
		}
		s.Locators = append(s.Locators, l)
	}
	return s, nil
}
