package teos

import "encoding/binary"

// RegistrationReceipt is the tower's promise of a subscription. Heights are
// those of blocks; slots are all that the user may fill now.
type RegistrationReceipt struct {
	User   UserID
	Slots  uint32
	Start  uint32
	Expiry uint32
}

// Message returns what the tower signs. The v1 receipt leaves Start out.
func (r RegistrationReceipt) Message(d Dialect) []byte {
	b := make([]byte, 0, UserIDSize+3*4)
	b = append(b, r.User[:]...)
	b = binary.BigEndian.AppendUint32(b, r.Slots)
	if d != V1 {
		b = binary.BigEndian.AppendUint32(b, r.Start)
	}
	return binary.BigEndian.AppendUint32(b, r.Expiry)
}

// AppointmentReceipt is the tower's promise to watch for an appointment. The
// user's signature stands for the appointment itself.
type AppointmentReceipt struct {
	UserSignature Signature
	// StartBlock is the height that the tower had processed when it
	// accepted: it watches every block after it.
	StartBlock uint32
}

// Message returns what the tower signs: the user's signature as 65 bytes (v1)
// or as its 104 characters (any other dialect), then the start block.
func (r AppointmentReceipt) Message(d Dialect) []byte {
	signature := []byte(r.UserSignature.String())
	if d == V1 {
		signature = r.UserSignature[:]
	}
	b := make([]byte, 0, SignatureTextSize+4)
	b = append(b, signature...)
	return binary.BigEndian.AppendUint32(b, r.StartBlock)
}
