package teos

// Cause says why a request was not served. Each has one line in the table of
// errors of docs/protocol.md: a code in either dialect and an HTTP status.
type Cause uint8

// The causes, in the order of the table.
const (
	// NotJSON: the body is not JSON by its Content-Type, does not parse, or
	// is no object.
	NotJSON Cause = iota + 1
	// AppointmentMissing: no appointment, or null.
	AppointmentMissing
	// AppointmentNotObject: the appointment is something else.
	AppointmentNotObject
	// FieldMissing: a field is absent or null.
	FieldMissing
	// LocatorEmpty, BlobEmpty, SignatureEmpty and KeyEmpty: the field is
	// there, with nothing in it.
	LocatorEmpty
	BlobEmpty
	SignatureEmpty
	KeyEmpty
	// WrongType: a field of another JSON type; a fraction is no integer.
	WrongType
	// LocatorWrongSize and KeyWrongSize: hex of another length than 16 or 33 bytes.
	LocatorWrongSize
	KeyWrongSize
	// NotHex: no hex, or an odd number of digits.
	NotHex
	// KeyMissing: the registration has no key.
	KeyMissing
	// KeyMalformed: no hex, or no point on the curve.
	KeyMalformed
	// DelayTooSmall and DelayTooLarge: to_self_delay out of its range.
	DelayTooSmall
	DelayTooLarge
	// BlobTooSmall: no signed transaction fits.
	BlobTooSmall
	// TooLarge: the body or the blob is over the limit.
	TooLarge
	// AuthenticationFailed: the signature is wrong or its key not a user's.
	AuthenticationFailed
	// NoSlots: the subscription has not enough slots left.
	NoSlots
	// SubscriptionOver: the subscription has run out.
	SubscriptionOver
	// AlreadyTriggered: the appointment's dispute was seen already.
	AlreadyTriggered
	// NotFound: the user has no such appointment.
	NotFound
	// RegistrationRefused: slots or expiry would overflow, or a cap is met.
	RegistrationRefused
	// Unavailable: chain or tower core can't be reached now.
	Unavailable
	// TooMany: too many requests at once.
	TooMany
	// Internal: a defect of ours.
	Internal
	// NoEndpoint and WrongMethod: the URL or its verb is not of this API.
	NoEndpoint
	WrongMethod
)

// codes is a line of the table: the code in each dialect, then the HTTP
// status in each.
type codes struct{ v1, v2, http1, http2 int }

// table is the table of errors of docs/protocol.md. An appointment that is not
// found has no code in v1, where a status says it; v1 clients read no code
// there, so v2's serves both.
var table = map[Cause]codes{
	NotJSON:              {-65, 6, 400, 400},
	AppointmentMissing:   {-1, 1, 400, 400},
	AppointmentNotObject: {-7, 3, 400, 400},
	FieldMissing:         {-1, 1, 400, 400},
	LocatorEmpty:         {-3, 2, 400, 400},
	BlobEmpty:            {-4, 2, 400, 400},
	SignatureEmpty:       {-8, 2, 400, 400},
	KeyEmpty:             {-33, 2, 400, 400},
	WrongType:            {-2, 3, 400, 400},
	LocatorWrongSize:     {-3, 4, 400, 400},
	KeyWrongSize:         {-34, 4, 400, 400},
	NotHex:               {-4, 5, 400, 400},
	KeyMissing:           {-33, 1, 400, 400},
	KeyMalformed:         {-34, 5, 400, 400},
	DelayTooSmall:        {-5, 33, 400, 400},
	DelayTooLarge:        {-6, 34, 400, 400},
	BlobTooSmall:         {-5, 33, 400, 400},
	TooLarge:             {-6, 34, 413, 413},
	AuthenticationFailed: {-8, 7, 400, 401},
	NoSlots:              {-8, 7, 400, 401},
	SubscriptionOver:     {-8, 7, 400, 401},
	AlreadyTriggered:     {-9, 35, 400, 400},
	NotFound:             {36, 36, 404, 404},
	RegistrationRefused:  {-34, 65, 400, 400},
	Unavailable:          {-96, 32, 503, 503},
	TooMany:              {-96, 32, 429, 429},
	Internal:             {-96, 255, 500, 500},
	NoEndpoint:           {-65, 6, 404, 404},
	WrongMethod:          {-65, 6, 405, 405},
}

// Code returns the error_code of a cause: negative in v1, 1 to 255 in any
// other dialect.
func (c Cause) Code(d Dialect) int {
	if d == V1 {
		return c.line().v1
	}
	return c.line().v2
}

// HTTPStatus returns the status that goes with the code.
func (c Cause) HTTPStatus(d Dialect) int {
	if d == V1 {
		return c.line().http1
	}
	return c.line().http2
}

// line treats a cause that is not in the table as a defect of ours.
func (c Cause) line() codes {
	if l, ok := table[c]; ok {
		return l
	}
	return table[Internal]
}
