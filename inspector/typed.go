package inspector

import (
	"strings"

	"vigil/internal/teos"
)

// The methods of this file check requests that came as values and not as
// JSON: the gRPC server does not trust what its client checked.

// RegisterOf checks a registration.
func (i *Inspector) RegisterOf(user []byte, d teos.Dialect) (Register, error) {
	id, err := i.keys.parse(user)
	if err != nil {
		return Register{}, teos.Errorf(teos.KeyMalformed, "%v", err)
	}
	if !d.Known() {
		return Register{}, teos.Errorf(teos.WrongType, "dialect is neither v1 nor v2")
	}
	return Register{user: id, dialect: d}, nil
}

// AddAppointmentOf checks an appointment.
func (i *Inspector) AddAppointmentOf(locator, blob []byte, delay uint32, signature []byte) (AddAppointment, error) {
	l, err := teos.LocatorFromBytes(locator)
	if err != nil {
		return AddAppointment{}, teos.Errorf(teos.LocatorWrongSize, "%v", err)
	}
	if err := i.checkDelay(delay); err != nil {
		return AddAppointment{}, err
	}
	if err := i.checkBlob(len(blob)); err != nil {
		return AddAppointment{}, err
	}
	s, err := signatureOf(signature)
	if err != nil {
		return AddAppointment{}, err
	}
	return AddAppointment{
		appointment: teos.Appointment{Locator: l, EncryptedBlob: blob, ToSelfDelay: delay},
		signature:   s,
	}, nil
}

// GetAppointmentOf checks a question for an appointment.
func (i *Inspector) GetAppointmentOf(locator []byte, written string, signature []byte) (GetAppointment, error) {
	l, err := teos.LocatorFromBytes(locator)
	if err != nil {
		return GetAppointment{}, teos.Errorf(teos.LocatorWrongSize, "%v", err)
	}
	if !strings.EqualFold(written, l.String()) {
		return GetAppointment{}, teos.Errorf(teos.NotHex, "the locator as written is another one")
	}
	s, err := signatureOf(signature)
	if err != nil {
		return GetAppointment{}, err
	}
	return GetAppointment{locator: l, written: written, signature: s}, nil
}

// DeleteAppointmentOf checks a request to end an appointment.
func (i *Inspector) DeleteAppointmentOf(locator []byte, written string, signature []byte) (DeleteAppointment, error) {
	r, err := i.GetAppointmentOf(locator, written, signature)
	return DeleteAppointment{r}, err
}

// GetSubscriptionInfoOf checks a question for a subscription.
func (i *Inspector) GetSubscriptionInfoOf(signature []byte) (GetSubscriptionInfo, error) {
	s, err := signatureOf(signature)
	if err != nil {
		return GetSubscriptionInfo{}, err
	}
	return GetSubscriptionInfo{signature: s}, nil
}

func signatureOf(b []byte) (teos.Signature, error) {
	s, err := teos.SignatureFromBytes(b)
	if err != nil {
		return teos.Signature{}, teos.Errorf(teos.AuthenticationFailed, "%v", err)
	}
	return s, nil
}

func (i *Inspector) checkDelay(delay uint32) error {
	if delay < i.limits.MinToSelfDelay {
		return teos.Errorf(teos.DelayTooSmall, "to_self_delay is %d blocks, this tower needs at least %d",
			delay, i.limits.MinToSelfDelay)
	}
	return nil
}

func (i *Inspector) checkBlob(size int) error {
	if size < teos.MinBlobSize {
		return teos.Errorf(teos.BlobTooSmall, "encrypted_blob has %d bytes, a signed transaction needs at least %d",
			size, teos.MinBlobSize)
	}
	if size > i.limits.MaxBlobSize {
		return teos.Errorf(teos.TooLarge, "encrypted_blob has %d bytes, this tower takes %d at most",
			size, i.limits.MaxBlobSize)
	}
	return nil
}
