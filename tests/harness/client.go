package harness

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"vigil/internal/teos"
)

// Client is a user of a tower in one dialect. It signs what it sends and
// believes nothing: every receipt is verified against the tower's key, which
// is that of the first receipt unless Tower was set before.
//
// A refusal by the tower is a *Refusal; any other error says that the answer
// is not what the protocol has.
type Client struct {
	ID      teos.UserID
	Dialect teos.Dialect
	Tower   teos.UserID // zero until it is known
	// Bare says that the tower is one of rust-teos, which answers with the
	// fields of its own dialect only.
	Bare bool

	key  *btcec.PrivateKey
	door Door
}

// NewClient returns a client with this key at a tower's door.
func NewClient(dialect teos.Dialect, key *btcec.PrivateKey, door Door) *Client {
	return &Client{ID: teos.NewUserID(key.PubKey()), Dialect: dialect, key: key, door: door}
}

// NewUser returns a client with a key of its own.
func NewUser(t T, dialect teos.Dialect, door Door) *Client {
	t.Helper()
	key, err := btcec.NewPrivateKey()
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	return NewClient(dialect, key, door)
}

// At returns the same user at another door of the same tower.
func (c *Client) At(door Door) *Client {
	other := *c
	other.door = door
	return &other
}

// Registration is the answer to register.
type Registration struct {
	UserID    string  `json:"user_id"`
	PublicKey string  `json:"public_key"`
	Slots     *uint32 `json:"available_slots"`
	Start     *uint32 `json:"subscription_start"`
	Expiry    *uint32 `json:"subscription_expiry"`
	Signature string  `json:"subscription_signature"`
}

// Register registers, or renews, and verifies the receipt.
func (c *Client) Register(ctx context.Context) (teos.RegistrationReceipt, error) {
	field := "user_id"
	if c.Dialect == teos.V1 {
		field = "public_key"
	}
	var r Registration
	if err := c.post(ctx, "register", map[string]any{field: c.ID.String()}, &r); err != nil {
		return teos.RegistrationReceipt{}, err
	}
	if r.UserID != c.ID.String() || r.PublicKey != c.ID.String() && !c.Bare {
		return teos.RegistrationReceipt{}, fmt.Errorf("the receipt is for %q and %q", r.UserID, r.PublicKey)
	}
	if r.Slots == nil || r.Start == nil || r.Expiry == nil {
		return teos.RegistrationReceipt{}, fmt.Errorf("a field of the receipt is missing: %+v", r)
	}
	receipt := teos.RegistrationReceipt{User: c.ID, Slots: *r.Slots, Start: *r.Start, Expiry: *r.Expiry}
	return receipt, c.verify(receipt.Message(c.Dialect), r.Signature)
}

// Receipt is the answer to add_appointment.
type Receipt struct {
	Locator    string  `json:"locator"`
	StartBlock *uint32 `json:"start_block"`
	Signature  string  `json:"signature"`
	Slots      *uint32 `json:"available_slots"`
	Expiry     *uint32 `json:"subscription_expiry"`
}

// NewAppointment encrypts a penalty under its dispute, as the client's
// dialect has it, with a delay of 20 blocks.
func (c *Client) NewAppointment(dispute chainhash.Hash, penalty *wire.MsgTx) teos.Appointment {
	return teos.Appointment{Locator: teos.NewLocator(c.Dialect, dispute), ToSelfDelay: 20,
		EncryptedBlob: teos.EncryptBlob(c.Dialect, dispute, TxBytes(penalty))}
}

// SignedAppointment is the body of a request to add an appointment.
func (c *Client) SignedAppointment(a teos.Appointment) map[string]any {
	return map[string]any{
		"appointment": map[string]any{"locator": a.Locator.String(),
			"encrypted_blob": hex.EncodeToString(a.EncryptedBlob), "to_self_delay": a.ToSelfDelay},
		"signature": teos.Sign(c.key, a.Message()).String(),
	}
}

// Add hands an appointment in and verifies the receipt.
func (c *Client) Add(ctx context.Context, a teos.Appointment) (Receipt, error) {
	var r Receipt
	if err := c.post(ctx, "add_appointment", c.SignedAppointment(a), &r); err != nil {
		return r, err
	}
	if r.Locator != a.Locator.String() {
		return r, fmt.Errorf("the receipt is for locator %q", r.Locator)
	}
	if r.StartBlock == nil || r.Slots == nil || r.Expiry == nil {
		return r, fmt.Errorf("a field of the receipt is missing: %+v", r)
	}
	receipt := teos.AppointmentReceipt{UserSignature: teos.Sign(c.key, a.Message()), StartBlock: *r.StartBlock}
	return r, c.verify(receipt.Message(c.Dialect), r.Signature)
}

// The states that get_appointment tells.
const (
	BeingWatched     = "being_watched"
	DisputeResponded = "dispute_responded"
)

// Held is the answer to get_appointment.
type Held struct {
	Locator     string `json:"locator"`
	Status      string `json:"status"`
	Appointment struct {
		Locator       string `json:"locator"`
		EncryptedBlob string `json:"encrypted_blob"`
		ToSelfDelay   uint32 `json:"to_self_delay"`
		DisputeTxID   string `json:"dispute_txid"`
		PenaltyTxID   string `json:"penalty_txid"`
		PenaltyTx     string `json:"penalty_rawtx"`
	} `json:"appointment"`
}

// Get asks for an appointment.
func (c *Client) Get(ctx context.Context, l teos.Locator) (Held, error) {
	var held Held
	err := c.post(ctx, "get_appointment", c.GetRequest(l), &held)
	if err == nil && (held.Locator != l.String() || held.Appointment.Locator != l.String()) {
		err = fmt.Errorf("the answer is about %q and %q", held.Locator, held.Appointment.Locator)
	}
	return held, err
}

// GetRequest is the body of a request for an appointment.
func (c *Client) GetRequest(l teos.Locator) map[string]any {
	return map[string]any{"locator": l.String(),
		"signature": teos.Sign(c.key, teos.GetAppointmentMessage(l.String())).String()}
}

// Subscription is the answer to get_subscription_info.
type Subscription struct {
	Slots        uint32   `json:"available_slots"`
	Expiry       uint32   `json:"subscription_expiry"`
	Locators     []string `json:"locators"`
	Appointments []string `json:"appointments"`
}

// Info asks for the state of the subscription.
func (c *Client) Info(ctx context.Context) (Subscription, error) {
	var s Subscription
	request := map[string]any{"signature": teos.Sign(c.key, teos.SubscriptionInfoMessage()).String()}
	return s, c.post(ctx, "get_subscription_info", request, &s)
}

// verify demands the tower's own signature.
func (c *Client) verify(message []byte, signature string) error {
	parsed, err := teos.ParseSignature(signature)
	if err != nil {
		return fmt.Errorf("the receipt's signature: %w", err)
	}
	signer, err := teos.Recover(message, parsed)
	if err != nil {
		return fmt.Errorf("the receipt's signature: %w", err)
	}
	if c.Tower == (teos.UserID{}) {
		c.Tower = signer
	}
	if signer != c.Tower {
		return fmt.Errorf("the receipt is signed by %v, not by the tower %v", signer, c.Tower)
	}
	return nil
}

func (c *Client) post(ctx context.Context, method string, body, result any) error {
	answer, err := c.door.Ask(ctx, method, body)
	if err != nil {
		return err
	}
	if err := answer.refusal(); err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Body, result); err != nil {
		return fmt.Errorf("%s answered %.300q: %w", method, answer.Body, err)
	}
	return nil
}

// Door is the door that the client uses.
func (c *Client) Door() Door { return c.door }
