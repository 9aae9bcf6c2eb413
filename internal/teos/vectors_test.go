package teos_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"

	"vigil/internal/teos"
)

// hexBytes is hex in the vectors' JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

type dialectVector struct {
	Locator       string   `json:"locator"`
	Blob          hexBytes `json:"encrypted_blob"`
	Serialized    hexBytes `json:"serialized_hex"`
	UserSignature string   `json:"user_signature"`
	Receipt       hexBytes `json:"receipt_hex"`
	TowerSig      string   `json:"receipt_tower_signature"`
	Get           struct {
		Message   string `json:"message"`
		Signature string `json:"signature"`
	} `json:"get_appointment"`
}

type appointmentVector struct {
	dialectVector
	Label       string        `json:"label"`
	DisputeTxid string        `json:"dispute_txid"`
	Penalty     hexBytes      `json:"penalty_tx_hex"`
	Slots       uint32        `json:"required_slots"`
	Delay       uint32        `json:"to_self_delay"`
	UserKey     hexBytes      `json:"user_sk"`
	UserID      string        `json:"user_id"`
	StartBlock  uint32        `json:"start_block"`
	V2          dialectVector `json:"v2"`
}

type vectors struct {
	Keys map[string]struct {
		Key    hexBytes `json:"sk"`
		Public string   `json:"pubkey_compressed"`
	} `json:"keys"`
	Messages []struct {
		Label   string   `json:"label"`
		Key     hexBytes `json:"sk"`
		Public  string   `json:"pubkey"`
		Message hexBytes `json:"message_hex"`
		Sig     hexBytes `json:"sigrec_hex"`
		Text    string   `json:"zbase32"`
	} `json:"message_signatures"`
	Lightningd struct {
		Message, Pubkey, Zbase32 string
	} `json:"lightningd_signmessage"`
	Invalid []struct {
		Text string `json:"zbase32"`
		Why  string `json:"why"`
	} `json:"signature_decode_invalid"`
	Registrations []struct {
		UserID  string   `json:"user_id"`
		Slots   uint32   `json:"available_slots"`
		Expiry  uint32   `json:"subscription_expiry"`
		Receipt hexBytes `json:"receipt_hex"`
		Sig     string   `json:"tower_signature"`
		V2      struct {
			Start   uint32   `json:"subscription_start"`
			Receipt hexBytes `json:"receipt_hex"`
			Sig     string   `json:"tower_signature"`
		} `json:"v2"`
	} `json:"registration_receipts"`
	Appointments []appointmentVector `json:"appointments"`
}

func load(t *testing.T) vectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/teos.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func privateKey(b []byte) *btcec.PrivateKey {
	key, _ := btcec.PrivKeyFromBytes(b)
	return key
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestVectorsKeys(t *testing.T) {
	for name, k := range load(t).Keys {
		equal(t, name, teos.NewUserID(privateKey(k.Key).PubKey()).String(), k.Public)
	}
}

func TestVectorsMessageSignatures(t *testing.T) {
	for _, v := range load(t).Messages {
		t.Run(v.Label, func(t *testing.T) {
			sig := teos.Sign(privateKey(v.Key), v.Message)
			equal(t, "bytes", hex.EncodeToString(sig[:]), hex.EncodeToString(v.Sig))
			checkSignature(t, v.Text, v.Message, v.Public)
			equal(t, "text", sig.String(), v.Text)
		})
	}
}

func TestVectorsLightningdSignmessage(t *testing.T) {
	v := load(t).Lightningd
	checkSignature(t, v.Zbase32, []byte(v.Message), v.Pubkey)
}

func TestVectorsInvalidSignatures(t *testing.T) {
	for _, v := range load(t).Invalid {
		t.Run(v.Why, func(t *testing.T) {
			sig, err := teos.ParseSignature(v.Text)
			if err == nil {
				_, err = teos.Recover([]byte("message"), sig)
			}
			wantErrorIs(t, err, teos.ErrSignature)
		})
	}
}

func TestVectorsRegistrationReceipts(t *testing.T) {
	v := load(t)
	tower := privateKey(v.Keys["tower"].Key)
	for _, r := range v.Registrations {
		user, err := teos.ParseUserID(r.UserID)
		if err != nil {
			t.Fatal(err)
		}
		receipt := teos.RegistrationReceipt{User: user, Slots: r.Slots, Start: r.V2.Start, Expiry: r.Expiry}
		checkReceipt(t, tower, receipt.Message(teos.V1), r.Receipt, r.Sig)
		checkReceipt(t, tower, receipt.Message(teos.V2), r.V2.Receipt, r.V2.Sig)
	}
}

func TestVectorsAppointments(t *testing.T) {
	v := load(t)
	tower := privateKey(v.Keys["tower"].Key)
	for _, a := range v.Appointments {
		t.Run(a.Label, func(t *testing.T) {
			checkAppointment(t, tower, teos.V1, a, a.dialectVector)
			checkAppointment(t, tower, teos.V2, a, a.V2)
		})
	}
}

func checkAppointment(t *testing.T, tower *btcec.PrivateKey, d teos.Dialect, a appointmentVector, v dialectVector) {
	t.Helper()
	dispute, err := chainhash.NewHashFromStr(a.DisputeTxid)
	if err != nil {
		t.Fatal(err)
	}
	locator := teos.NewLocator(d, *dispute)
	equal(t, "locator", locator.String(), v.Locator)

	blob := teos.EncryptBlob(d, *dispute, a.Penalty)
	equal(t, "blob", hex.EncodeToString(blob), hex.EncodeToString(v.Blob))
	penalty, err := teos.DecryptBlob(d, *dispute, v.Blob)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "penalty", hex.EncodeToString(penalty), hex.EncodeToString(a.Penalty))
	equal(t, "slots", teos.Slots(len(blob)), a.Slots)

	appointment := teos.Appointment{Locator: locator, EncryptedBlob: blob, ToSelfDelay: a.Delay}
	equal(t, "message", hex.EncodeToString(appointment.Message()), hex.EncodeToString(v.Serialized))
	checkSignature(t, v.UserSignature, appointment.Message(), a.UserID)
	signature := teos.Sign(privateKey(a.UserKey), appointment.Message())
	equal(t, "user signature", signature.String(), v.UserSignature)

	receipt := teos.AppointmentReceipt{UserSignature: signature, StartBlock: a.StartBlock}
	checkReceipt(t, tower, receipt.Message(d), v.Receipt, v.TowerSig)

	equal(t, "get message", string(teos.GetAppointmentMessage(locator.String())), v.Get.Message)
	checkSignature(t, v.Get.Signature, []byte(v.Get.Message), a.UserID)
}

func checkReceipt(t *testing.T, tower *btcec.PrivateKey, message, want []byte, signature string) {
	t.Helper()
	equal(t, "receipt", hex.EncodeToString(message), hex.EncodeToString(want))
	equal(t, "tower signature", teos.Sign(tower, message).String(), signature)
}

func checkSignature(t *testing.T, text string, message []byte, want string) {
	t.Helper()
	sig, err := teos.ParseSignature(text)
	if err != nil {
		t.Fatal(err)
	}
	user, err := teos.Recover(message, sig)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "recovered key", user.String(), want)
	equal(t, "text", sig.String(), text)
}
