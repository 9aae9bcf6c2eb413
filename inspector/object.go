package inspector

import (
	"encoding/hex"
	"encoding/json"
	"strconv"

	"vigil/internal/teos"
)

// field is a member of a JSON object, whose value is not parsed yet.
type field struct{ name, value []byte }

// object is a JSON object. Names are compared exactly, as the reference
// servers do and Go's struct decoding does not; the last of several counts.
type object []field

func parseObject(body []byte) (object, error) {
	if o, ok := parsePlain(body); ok {
		return o, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, teos.Errorf(teos.NotJSON, "the request is no JSON object")
	}
	o := make(object, 0, len(fields))
	for name, value := range fields {
		o = append(o, field{[]byte(name), value})
	}
	return o, nil
}

// get returns a field's value as it was written, nil where there is no such
// field or it is null.
func (o object) get(name string) []byte {
	for i := len(o) - 1; i >= 0; i-- {
		if string(o[i].name) == name {
			if string(o[i].value) == "null" {
				return nil
			}
			return o[i].value
		}
	}
	return nil
}

// has tells whether a field is there with a value: null is none.
func (o object) has(name string) bool { return o.get(name) != nil }

// text returns a string field.
func (o object) text(name string, missing, empty teos.Cause) ([]byte, error) {
	value := o.get(name)
	if value == nil {
		return nil, teos.Errorf(missing, "%s is missing", name)
	}
	text, ok := plainText(value)
	if !ok {
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			return nil, teos.Errorf(teos.WrongType, "%s is not a string", name)
		}
		text = []byte(s)
	}
	if len(text) == 0 {
		return nil, teos.Errorf(empty, "%s is empty", name)
	}
	return text, nil
}

func hexField(name string, text []byte, malformed teos.Cause) ([]byte, error) {
	b := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(b, text); err != nil {
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
	digits := string(o.get("to_self_delay"))
	if digits == "" {
		return 0, teos.Errorf(teos.FieldMissing, "to_self_delay is missing")
	}
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
	s, err := teos.ParseSignature(string(text))
	if err != nil {
		return teos.Signature{}, teos.Errorf(teos.AuthenticationFailed, "signature is malformed: %v", err)
	}
	return s, nil
}
