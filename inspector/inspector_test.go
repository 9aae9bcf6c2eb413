package inspector_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"vigil/inspector"
	"vigil/internal/teos"
)

var limits = inspector.Limits{MinToSelfDelay: 20, MaxBlobSize: 4096}

const (
	goodKey     = "034f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa"
	goodLocator = "00112233445566778899aabbccddeeff"
)

var key, _ = btcec.PrivKeyFromBytes([]byte{7})

func goodSignature() string { return teos.Sign(key, []byte("m")).String() }

func blobOf(size int) string { return strings.Repeat("ab", size) }

// wantCause demands the exact cause, or success for 0.
func wantCause(t *testing.T, err error, want teos.Cause) *teos.Error {
	t.Helper()
	if want == 0 {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return nil
	}
	var e *teos.Error
	if !errors.As(err, &e) || e.Cause != want {
		t.Fatalf("got %#v, want cause %d", err, want)
	}
	return e
}

func TestRegister(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want teos.Cause
	}{
		"v2":                {`{"user_id":"` + goodKey + `"}`, 0},
		"upper case":        {`{"user_id":"` + strings.ToUpper(goodKey) + `"}`, 0},
		"v1":                {`{"public_key":"` + goodKey + `"}`, 0},
		"null v2, v1":       {`{"user_id":null,"public_key":"` + goodKey + `"}`, 0},
		"empty body":        {``, teos.NotJSON},
		"array":             {`["` + goodKey + `"]`, teos.NotJSON},
		"null":              {`null`, teos.NotJSON},
		"two values":        {`{} {}`, teos.NotJSON},
		"no key":            {`{}`, teos.KeyMissing},
		"other case":        {`{"USER_ID":"` + goodKey + `"}`, teos.KeyMissing},
		"null key":          {`{"user_id":null}`, teos.KeyMissing},
		"empty":             {`{"user_id":""}`, teos.KeyEmpty},
		"number":            {`{"user_id":3}`, teos.WrongType},
		"bytes":             {`{"user_id":[3,4]}`, teos.WrongType},
		"no hex":            {`{"user_id":"zz"}`, teos.KeyMalformed},
		"odd":               {`{"user_id":"` + goodKey[1:] + `"}`, teos.KeyMalformed},
		"32 bytes":          {`{"user_id":"` + goodKey[2:] + `"}`, teos.KeyWrongSize},
		"34 bytes":          {`{"user_id":"` + goodKey + `00"}`, teos.KeyWrongSize},
		"not on the curve":  {`{"public_key":"05` + goodKey[2:] + `"}`, teos.KeyMalformed},
		"uncompressed size": {`{"public_key":"` + goodKey + goodKey[2:] + `"}`, teos.KeyWrongSize},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := inspector.New(limits).Register([]byte(c.body))
			wantCause(t, err, c.want)
			if c.want == 0 && r.User().String() != goodKey {
				t.Errorf("user %v", r.User())
			}
		})
	}
}

func TestRegisterShowsTheDialect(t *testing.T) {
	for field, want := range map[string]teos.Dialect{"user_id": teos.V2, "public_key": teos.V1} {
		r, err := inspector.New(limits).Register([]byte(`{"` + field + `":"` + goodKey + `"}`))
		wantCause(t, err, 0)
		if r.Dialect() != want {
			t.Errorf("%s: %v", field, r.Dialect())
		}
	}
}

// add makes a body from a good one with some fields changed; a field that is
// set to nil is left out.
func add(t *testing.T, changes map[string]any) []byte {
	t.Helper()
	appointment := map[string]any{"locator": goodLocator, "encrypted_blob": blobOf(100), "to_self_delay": 20}
	body := map[string]any{"appointment": appointment, "signature": goodSignature()}
	for name, value := range changes {
		target := appointment
		if name == "appointment" || name == "signature" {
			target = body
		}
		target[name] = value
		if value == nil {
			delete(target, name)
		}
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAddAppointment(t *testing.T) {
	null := json.RawMessage("null")
	for name, c := range map[string]struct {
		change map[string]any
		want   teos.Cause
	}{
		"good":                  {nil, 0},
		"no appointment":        {map[string]any{"appointment": nil}, teos.AppointmentMissing},
		"null appointment":      {map[string]any{"appointment": null}, teos.AppointmentMissing},
		"string appointment":    {map[string]any{"appointment": "x"}, teos.AppointmentNotObject},
		"array appointment":     {map[string]any{"appointment": []int{1}}, teos.AppointmentNotObject},
		"empty appointment":     {map[string]any{"appointment": map[string]any{}}, teos.FieldMissing},
		"no locator":            {map[string]any{"locator": nil}, teos.FieldMissing},
		"null locator":          {map[string]any{"locator": null}, teos.FieldMissing},
		"empty locator":         {map[string]any{"locator": ""}, teos.LocatorEmpty},
		"number as locator":     {map[string]any{"locator": 5}, teos.WrongType},
		"15 bytes":              {map[string]any{"locator": goodLocator[2:]}, teos.LocatorWrongSize},
		"17 bytes":              {map[string]any{"locator": goodLocator + "00"}, teos.LocatorWrongSize},
		"odd locator":           {map[string]any{"locator": goodLocator[1:]}, teos.NotHex},
		"no hex":                {map[string]any{"locator": "z" + goodLocator[1:]}, teos.NotHex},
		"upper-case locator":    {map[string]any{"locator": strings.ToUpper(goodLocator)}, 0},
		"no delay":              {map[string]any{"to_self_delay": nil}, teos.FieldMissing},
		"string delay":          {map[string]any{"to_self_delay": "20"}, teos.WrongType},
		"bool delay":            {map[string]any{"to_self_delay": true}, teos.WrongType},
		"fraction":              {map[string]any{"to_self_delay": json.RawMessage("20.0")}, teos.WrongType},
		"exponent":              {map[string]any{"to_self_delay": json.RawMessage("2e1")}, teos.WrongType},
		"negative":              {map[string]any{"to_self_delay": -1}, teos.DelayTooSmall},
		"delay under the edge":  {map[string]any{"to_self_delay": 19}, teos.DelayTooSmall},
		"greatest delay":        {map[string]any{"to_self_delay": uint32(1<<32 - 1)}, 0},
		"delay over the edge":   {map[string]any{"to_self_delay": uint64(1 << 32)}, teos.DelayTooLarge},
		"huge delay":            {map[string]any{"to_self_delay": json.RawMessage(strings.Repeat("9", 400))}, teos.DelayTooLarge},
		"no blob":               {map[string]any{"encrypted_blob": nil}, teos.FieldMissing},
		"empty blob":            {map[string]any{"encrypted_blob": ""}, teos.BlobEmpty},
		"object as blob":        {map[string]any{"encrypted_blob": map[string]int{}}, teos.WrongType},
		"odd blob":              {map[string]any{"encrypted_blob": blobOf(100) + "a"}, teos.NotHex},
		"blob under the edge":   {map[string]any{"encrypted_blob": blobOf(teos.MinBlobSize - 1)}, teos.BlobTooSmall},
		"smallest blob":         {map[string]any{"encrypted_blob": blobOf(teos.MinBlobSize)}, 0},
		"greatest blob":         {map[string]any{"encrypted_blob": blobOf(4096)}, 0},
		"blob over the edge":    {map[string]any{"encrypted_blob": blobOf(4097)}, teos.TooLarge},
		"no signature":          {map[string]any{"signature": nil}, teos.FieldMissing},
		"empty signature":       {map[string]any{"signature": ""}, teos.SignatureEmpty},
		"number as signature":   {map[string]any{"signature": 4}, teos.WrongType},
		"malformed signature":   {map[string]any{"signature": "abc"}, teos.AuthenticationFailed},
		"first failure counts":  {map[string]any{"locator": "zz", "to_self_delay": "x", "signature": nil}, teos.NotHex},
		"delay before blob":     {map[string]any{"to_self_delay": 3, "encrypted_blob": ""}, teos.DelayTooSmall},
		"blob before signature": {map[string]any{"encrypted_blob": "x", "signature": nil}, teos.NotHex},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inspector.New(limits).AddAppointment(add(t, maps.Clone(c.change)))
			wantCause(t, err, c.want)
		})
	}
}

func TestAFailedLimitNamesWhoSigned(t *testing.T) {
	locator, _ := teos.ParseLocator(goodLocator)
	a := teos.Appointment{Locator: locator, EncryptedBlob: make([]byte, 100), ToSelfDelay: 3}
	body := add(t, map[string]any{
		"encrypted_blob": strings.Repeat("00", 100), "to_self_delay": 3,
		"signature": teos.Sign(key, a.Message()).String(),
	})
	_, err := inspector.New(limits).AddAppointment(body)
	e := wantCause(t, err, teos.DelayTooSmall)
	if e.User == nil || *e.User != teos.NewUserID(key.PubKey()) {
		t.Errorf("user is %v", e.User)
	}
}

func TestQuestions(t *testing.T) {
	i := inspector.New(limits)
	for body, want := range map[string]teos.Cause{
		`{"locator":"` + goodLocator + `","signature":"` + goodSignature() + `"}`: 0,
		`{"locator":"` + goodLocator + `"}`:                                       teos.FieldMissing,
		`{"signature":"` + goodSignature() + `"}`:                                 teos.FieldMissing,
		`{"locator":"00","signature":"x"}`:                                        teos.LocatorWrongSize,
		`{"locator":"` + goodLocator + `","signature":"x"}`:                       teos.AuthenticationFailed,
	} {
		_, err := i.GetAppointment([]byte(body))
		wantCause(t, err, want)
	}
	for body, want := range map[string]teos.Cause{
		`{"signature":"` + goodSignature() + `"}`: 0,
		`{"signature":""}`:                        teos.SignatureEmpty,
		`{}`:                                      teos.FieldMissing,
		`[]`:                                      teos.NotJSON,
	} {
		_, err := i.GetSubscriptionInfo([]byte(body))
		wantCause(t, err, want)
	}
}

func TestTypedRequestsMeetTheSameLimits(t *testing.T) {
	i := inspector.New(limits)
	sig := teos.Sign(key, []byte("m"))
	blob := make([]byte, 100)
	locator := make([]byte, 16)
	for name, c := range map[string]struct {
		locator, blob []byte
		delay         uint32
		sig           []byte
		want          teos.Cause
	}{
		"good":        {locator, blob, 20, sig[:], 0},
		"locator":     {locator[1:], blob, 20, sig[:], teos.LocatorWrongSize},
		"delay":       {locator, blob, 19, sig[:], teos.DelayTooSmall},
		"small blob":  {locator, nil, 20, sig[:], teos.BlobTooSmall},
		"large blob":  {locator, make([]byte, 4097), 20, sig[:], teos.TooLarge},
		"signature":   {locator, blob, 20, sig[1:], teos.AuthenticationFailed},
		"no recovery": {locator, blob, 20, make([]byte, 65), teos.AuthenticationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := i.AddAppointmentOf(c.locator, c.blob, c.delay, c.sig)
			wantCause(t, err, c.want)
		})
	}
	_, err := i.RegisterOf(make([]byte, 33), teos.V2)
	wantCause(t, err, teos.KeyMalformed)
	id := teos.NewUserID(key.PubKey())
	_, err = i.RegisterOf(id[:], 0)
	wantCause(t, err, teos.WrongType)
	_, err = i.GetAppointmentOf(nil, "", sig[:])
	wantCause(t, err, teos.LocatorWrongSize)
	_, err = i.GetSubscriptionInfoOf(nil)
	wantCause(t, err, teos.AuthenticationFailed)
}
