package towerrpc

import (
	"bytes"
	"errors"
	"time"

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

func subscriptionToPB(s tower.Subscription) *towerpb.GetSubscriptionInfoResponse {
	out := &towerpb.GetSubscriptionInfoResponse{AvailableSlots: s.Slots, SubscriptionExpiry: s.Expiry}
	for i := range s.Locators {
		out.Locators = append(out.Locators, s.Locators[i][:])
	}
	return out
}

func subscriptionFromPB(in *towerpb.GetSubscriptionInfoResponse) (tower.Subscription, error) {
	s := tower.Subscription{Slots: in.GetAvailableSlots(), Expiry: in.GetSubscriptionExpiry()}
	for _, b := range in.GetLocators() {
		l, err := teos.LocatorFromBytes(b)
		if err != nil {
			return s, err
		}
		s.Locators = append(s.Locators, l)
	}
	return s, nil
}

func infoToPB(i tower.Info) *towerpb.GetTowerInfoResponse {
	out := &towerpb.GetTowerInfoResponse{
		TowerId: i.ID[:], Network: i.Network, Version: i.Version, Height: i.Height,
		SourceHeight: i.SourceHeight, SourceError: i.SourceError, RecentFrom: i.RecentFrom,
		Users: i.Users, Appointments: i.Appointments,
		TrackersPending: i.Pending, TrackersConfirmed: i.Confirmed, TrackersRivalled: i.Rivalled,
		BreachesResolved: i.Resolved, BreachesLost: i.Lost,
		Since: i.Since.Unix(), Api: i.API, Warnings: i.Warnings,
		TrackersRefused: i.Refused, Refusal: i.Refusal,
		StoreError: i.StoreError,
	}
	for _, r := range i.Blind {
		out.Blind = append(out.Blind, &towerpb.BlockRange{From: r.From, To: r.To})
	}
	return out
}

func infoFromPB(in *towerpb.GetTowerInfoResponse) (i tower.Info, err error) {
	i = tower.Info{
		Network: in.GetNetwork(), Version: in.GetVersion(), Height: in.GetHeight(),
		SourceHeight: in.GetSourceHeight(), SourceError: in.GetSourceError(),
		Since: time.Unix(in.GetSince(), 0).UTC(), API: in.GetApi(), Warnings: in.GetWarnings(),
		StoreError: in.GetStoreError(),
	}
	i.Stats = tower.Stats{
		Users: in.GetUsers(), Appointments: in.GetAppointments(),
		Pending: in.GetTrackersPending(), Confirmed: in.GetTrackersConfirmed(), Rivalled: in.GetTrackersRivalled(),
		Resolved: in.GetBreachesResolved(), Lost: in.GetBreachesLost(), RecentFrom: in.GetRecentFrom(),
		Refused: in.GetTrackersRefused(), Refusal: in.GetRefusal(),
	}
	for _, r := range in.GetBlind() {
		i.Blind = append(i.Blind, tower.Range{From: r.GetFrom(), To: r.GetTo()})
	}
	i.ID, err = teos.UserIDFromBytes(in.GetTowerId())
	return i, err
}
