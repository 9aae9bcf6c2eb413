package inspector_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"vigil/inspector"
	"vigil/internal/teos"
)

// refused demands that a failure has a cause, which is all that clients see.
func refused(t *testing.T, err error) {
	t.Helper()
	var e *teos.Error
	if !errors.As(err, &e) || e.Text == "" || len(e.Text) > 300 {
		t.Fatalf("no failure for a client: %v", err)
	}
}

// encode writes a request anew, in its simplest form.
func encode(t *testing.T, request map[string]any) []byte {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// FuzzAddAppointment: what is let through meets every limit and says the same
// when it is written anew; all else has a cause.
func FuzzAddAppointment(f *testing.F) {
	f.Add([]byte(`{"appointment":{"locator":"00","encrypted_blob":"","to_self_delay":1},"signature":"y"}`))
	f.Add([]byte(`{"appointment":{"to_self_delay":-}}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		i := inspector.New(limits)
		r, err := i.AddAppointment(body)
		if err != nil {
			refused(t, err)
			return
		}
		a := r.Appointment()
		if a.ToSelfDelay < limits.MinToSelfDelay || len(a.EncryptedBlob) < teos.MinBlobSize || len(a.EncryptedBlob) > limits.MaxBlobSize {
			t.Fatalf("let through: %+v", a)
		}
		again, err := i.AddAppointment(encode(t, map[string]any{"appointment": map[string]any{
			"locator": a.Locator.String(), "encrypted_blob": hex.EncodeToString(a.EncryptedBlob), "to_self_delay": a.ToSelfDelay,
		}, "signature": r.Signature().String()}))
		if err != nil || !bytes.Equal(again.Appointment().Message(), a.Message()) || again.Signature() != r.Signature() {
			t.Fatalf("written anew it is %+v, %v", again, err)
		}
		typed, err := i.AddAppointmentOf(a.Locator[:], a.EncryptedBlob, a.ToSelfDelay, signatureBytes(r.Signature()))
		if err != nil || !bytes.Equal(typed.Appointment().Message(), a.Message()) {
			t.Fatalf("the inner door takes %+v, %v", typed, err)
		}
	})
}

func signatureBytes(s teos.Signature) []byte { return s[:] }

func FuzzRegister(f *testing.F) {
	f.Add([]byte(`{"user_id":"` + goodKey + `"}`))
	f.Add([]byte(`{"public_key":"` + goodKey + `","user_id":null}`))
	f.Add([]byte(`{"user_id":"` + goodKey[:64] + `"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		i := inspector.New(limits)
		r, err := i.Register(body)
		if err != nil {
			refused(t, err)
			return
		}
		field := map[teos.Dialect]string{teos.V1: "public_key", teos.V2: "user_id"}[r.Dialect()]
		again, err := i.Register(encode(t, map[string]any{field: r.User().String()}))
		if err != nil || again != r {
			t.Fatalf("written anew it is %+v, %v", again, err)
		}
		user := r.User()
		if typed, err := i.RegisterOf(user[:], r.Dialect()); err != nil || typed != r {
			t.Fatalf("the inner door takes %+v, %v", typed, err)
		}
	})
}

// FuzzQuestions: get_appointment keeps the text that was signed.
func FuzzQuestions(f *testing.F) {
	f.Add([]byte(`{"locator":"` + goodLocator + `","signature":"` + goodSignature() + `"}`))
	f.Add([]byte(`{"locator":"` + strings.ToUpper(goodLocator) + `","signature":"` + goodSignature() + `"}`))
	f.Add([]byte(`{"locator":"\u0030","signature":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		i := inspector.New(limits)
		info, errInfo := i.GetSubscriptionInfo(body)
		get, err := i.GetAppointment(body)
		if err != nil {
			refused(t, err)
		} else {
			if errInfo != nil || info.Signature() != get.Signature() || !strings.EqualFold(get.Written(), get.Locator().String()) {
				t.Fatalf("%+v, %+v, %v", get, info, errInfo)
			}
			again, err := i.GetAppointment(encode(t, map[string]any{"locator": get.Written(), "signature": get.Signature().String()}))
			if err != nil || again != get {
				t.Fatalf("written anew it is %+v, %v", again, err)
			}
			locator := get.Locator()
			if typed, err := i.GetAppointmentOf(locator[:], get.Written(), signatureBytes(get.Signature())); err != nil || typed != get {
				t.Fatalf("the inner door takes %+v, %v", typed, err)
			}
		}
		if errInfo != nil {
			refused(t, errInfo)
		}
	})
}

// FuzzTyped: the gRPC server takes nothing that the JSON doors would not.
func FuzzTyped(f *testing.F) {
	f.Add(make([]byte, 16), make([]byte, 100), uint32(20), make([]byte, 65), "")
	f.Fuzz(func(t *testing.T, locator, blob []byte, delay uint32, signature []byte, written string) {
		i := inspector.New(limits)
		r, err := i.AddAppointmentOf(locator, blob, delay, signature)
		if err != nil {
			refused(t, err)
		} else if a := r.Appointment(); delay < limits.MinToSelfDelay || len(blob) > limits.MaxBlobSize || !bytes.Equal(a.Locator[:], locator) {
			t.Fatalf("let through: %+v", a)
		}
		if _, err := i.GetAppointmentOf(locator, written, signature); err != nil {
			refused(t, err)
		}
		if _, err := i.RegisterOf(signature, teos.Dialect(delay)); err != nil {
			refused(t, err)
		}
	})
}
