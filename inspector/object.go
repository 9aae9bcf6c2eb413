package inspector

import (
	"encoding/hex"
	"encoding/json"
	"strconv"

	"vigil/internal/teos"
)

// object is a JSON object whose fields are not parsed yet. Names are compared
// exactly, as the reference servers do and Go's struct decoding does not.
type object map[string]json.RawMessage

func parseObject(body []byte) (object, error) {
	var o object
	if err := json.Unmarshal(body, &o); err != nil || o == nil {
		return nil, teos.Errorf(teos.NotJSON, "the request is no JSON object")
	}
	return o, nil
}

// has tells whether a field is there with a value: null is none.
func (o object) has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// text returns a string field.
func (o object) text(name string, missing, empty teos.Cause) (string, error) {
	if !o.has(name) {
		return "", teos.Errorf(missing, "%s is missing", name)
	}
	var s string
	if err := json.Unmarshal(o[name], &s); err != nil {
		return "", teos.Errorf(teos.WrongType, "%s is not a string", name)
	}
	if s == "" {
		return "", teos.Errorf(empty, "%s is empty", name)
	}
	return s, nil
}

func hexField(name, text string, malformed teos.Cause) ([]byte, error) {
	b, err := hex.DecodeString(text)
	if err != nil {
		return nil, teos.Errorf(malformed, "%s is not hex with an even number of digits", name)
	}
	return b, nil
}

func (o object) locator() (teos.Locator, error) {
	text, err := o.text("locator", teos.FieldMissing, teos.LocatorEmpty)
	if err != nil {
		return teos.Locator{}, err
	}
	b, err := hexField("locator", text, teos.NotHex)
	if err != nil {
		return teos.Locator{}, err
	}
	l, err := teos.LocatorFromBytes(b)
	if err != nil {
		return teos.Locator{}, teos.Errorf(teos.LocatorWrongSize, "locator has %d bytes instead of %d", len(b), teos.LocatorSize)
	}
	return l, nil
}

// delay returns to_self_delay where it is an integer of 32 bits, whatever the
// operator's limit.
func (o object) delay() (uint32, error) {
	if !o.has("to_self_delay") {
		return 0, teos.Errorf(teos.FieldMissing, "to_self_delay is missing")
	}
	digits := string(o["to_self_delay"])
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if !allDigits(digits) {
		return 0, teos.Errorf(teos.WrongType, "to_self_delay is not an integer")
	}
	if negative {
		return 0, teos.Errorf(teos.DelayTooSmall, "to_self_delay is negative")
	}
	delay, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, teos.Errorf(teos.DelayTooLarge, "to_self_delay is over 4294967295")
	}
	return uint32(delay), nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func (o object) blob() ([]byte, error) {
	text, err := o.text("encrypted_blob", teos.FieldMissing, teos.BlobEmpty)
	if err != nil {
		return nil, err
	}
	return hexField("encrypted_blob", text, teos.NotHex)
}

// signature returns a well-formed signature. A malformed one is no other
// failure than a wrong one: the user did not sign.
func (o object) signature() (teos.Signature, error) {
	text, err := o.text("signature", teos.FieldMissing, teos.SignatureEmpty)
	if err != nil {
		return teos.Signature{}, err
	}
	s, err := teos.ParseSignature(text)
	if err != nil {
		return teos.Signature{}, teos.Errorf(teos.AuthenticationFailed, "signature is malformed: %v", err)
	}
	return s, nil
}
