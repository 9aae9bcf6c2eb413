package inspector

import (
	"errors"

	"vigil/internal/teos"
)

// Register checks a registration: {"user_id": hex} of a v2 client or
// {"public_key": hex} of a v1 client.
func (i *Inspector) Register(body []byte) (Register, error) {
	o, err := parseObject(body)
	if err != nil {
		return Register{}, err
	}
	field, dialect := "user_id", teos.V2
	if !o.has(field) && o.has("public_key") {
		field, dialect = "public_key", teos.V1
	}
	user, err := i.user(o, field)
	if err != nil {
		return Register{}, err
	}
	return Register{user: user, dialect: dialect}, nil
}

func (i *Inspector) user(o object, field string) (teos.UserID, error) {
	text, err := o.text(field, teos.KeyMissing, teos.KeyEmpty)
	if err != nil {
		return teos.UserID{}, err
	}
	b, err := hexField(field, text, teos.KeyMalformed)
	if err != nil {
		return teos.UserID{}, err
	}
	if len(b) != teos.UserIDSize {
		return teos.UserID{}, teos.Errorf(teos.KeyWrongSize, "%s has %d bytes instead of %d", field, len(b), teos.UserIDSize)
	}
	user, err := i.keys.parse(b)
	if err != nil {
		return teos.UserID{}, teos.Errorf(teos.KeyMalformed, "%s is %v", field, teos.ErrNotAKey)
	}
	return user, nil
}

// AddAppointment checks {"appointment": {"locator", "encrypted_blob",
// "to_self_delay"}, "signature"}.
//
// Where all of it can be read and only a limit is not met, the error says who
// signed, so that it can be told in the user's own dialect.
func (i *Inspector) AddAppointment(body []byte) (AddAppointment, error) {
	o, err := parseObject(body)
	if err != nil {
		return AddAppointment{}, err
	}
	a, err := o.appointment()
	if err != nil {
		return AddAppointment{}, err
	}
	locator, errLocator := a.locator()
	delay, errDelay := a.delay()
	blob, errBlob := a.blob()
	signature, errSignature := o.signature()

	r := AddAppointment{
		appointment: teos.Appointment{Locator: locator, EncryptedBlob: blob, ToSelfDelay: delay},
		signature:   signature,
	}
	readable := errors.Join(errLocator, errDelay, errBlob, errSignature) == nil
	if errDelay == nil {
		errDelay = i.checkDelay(delay)
	}
	if errBlob == nil {
		errBlob = i.checkBlob(len(blob))
	}
	failure := first(errLocator, errDelay, errBlob, errSignature)
	if failure == nil {
		return r, nil
	}
	if readable {
		failure = signedBy(failure, r)
	}
	return AddAppointment{}, failure
}

func (o object) appointment() (object, error) {
	if !o.has("appointment") {
		return nil, teos.Errorf(teos.AppointmentMissing, "appointment is missing")
	}
	a, err := parseObject(o.get("appointment"))
	if err != nil {
		return nil, teos.Errorf(teos.AppointmentNotObject, "appointment is not an object")
	}
	return a, nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func signedBy(failure error, r AddAppointment) error {
	known := *teos.AsError(failure)
	if user, err := teos.Recover(r.appointment.Message(), r.signature); err == nil {
		known.User = &user
	}
	return &known
}

// GetAppointment checks {"locator", "signature"}.
func (i *Inspector) GetAppointment(body []byte) (GetAppointment, error) {
	o, err := parseObject(body)
	if err != nil {
		return GetAppointment{}, err
	}
	locator, errLocator := o.locator()
	signature, errSignature := o.signature()
	if err := first(errLocator, errSignature); err != nil {
		return GetAppointment{}, err
	}
	written, err := o.text("locator", teos.FieldMissing, teos.LocatorEmpty)
	return GetAppointment{locator: locator, written: string(written), signature: signature}, err
}

// DeleteAppointment checks {"locator", "signature"}.
func (i *Inspector) DeleteAppointment(body []byte) (DeleteAppointment, error) {
	r, err := i.GetAppointment(body)
	return DeleteAppointment{r}, err
}

// GetSubscriptionInfo checks {"signature"}.
func (i *Inspector) GetSubscriptionInfo(body []byte) (GetSubscriptionInfo, error) {
	o, err := parseObject(body)
	if err != nil {
		return GetSubscriptionInfo{}, err
	}
	signature, err := o.signature()
	if err != nil {
		return GetSubscriptionInfo{}, err
	}
	return GetSubscriptionInfo{signature: signature}, nil
}
