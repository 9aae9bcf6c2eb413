package teos

import "encoding/binary"

// SlotSize is how many bytes of encrypted blob one slot pays for.
const SlotSize = 2048

// Appointment is what a user hands in: should the dispute transaction that
// the locator names be seen, decrypt the blob with its id and publish.
type Appointment struct {
	Locator       Locator
	EncryptedBlob []byte
	// ToSelfDelay is the number of blocks that the cheater must wait before
	// spending: the time there is to answer.
	ToSelfDelay uint32
}

// Message returns what the user signs: locator, blob and delay, the latter in
// 4 bytes, big endian.
func (a Appointment) Message() []byte {
	b := make([]byte, 0, LocatorSize+len(a.EncryptedBlob)+4)
	b = append(b, a.Locator[:]...)
	b = append(b, a.EncryptedBlob...)
	return binary.BigEndian.AppendUint32(b, a.ToSelfDelay)
}

// Slots returns how many slots an appointment with a blob of this many bytes
// takes: one for each started SlotSize, and never less than one.
func Slots(blobSize int) uint32 {
	return uint32(max(1, (blobSize+SlotSize-1)/SlotSize)) //nolint:gosec // a blob's size fits by far
}

// GetAppointmentMessage returns what the user signs to ask for an appointment,
// whose locator is written in hex.
func GetAppointmentMessage(locator string) []byte {
	return []byte("get appointment " + locator)
}

// DeleteAppointmentMessage returns what the user signs to end an appointment,
// whose locator is written in hex.
func DeleteAppointmentMessage(locator string) []byte {
	return []byte("delete appointment " + locator)
}

// SubscriptionInfoMessage returns what the user signs to ask for the state of
// the subscription.
func SubscriptionInfoMessage() []byte {
	return []byte("get subscription info")
}
