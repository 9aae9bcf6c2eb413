package operator

import (
	"context"
	"encoding/hex"

	"vigil/internal/proof"
	"vigil/internal/teos"
	"vigil/internal/tower"
)

// maxDocument is how large a document to verify may be, in bytes.
const maxDocument = 8 << 20

var proofMethods = []Method{{
	Name: "breach",
	About: "The evidence of the breaches at a locator, as documents that anybody can check with verify: " +
		"the appointment as its user signed it, the tower's receipt, both transactions, and what became of them.",
	Params: []Param{
		required(locator("locator", "The appointment's locator, in hex.")),
		user("user", "Only this user's, by its public key in hex."),
	},
	Answer: func(ctx context.Context, d *Desk, a Args) (any, error) {
		var who *teos.UserID
		if id, given := a["user"].(teos.UserID); given {
			who = &id
		}
		page, err := d.Tower.Evidence(ctx, arg[teos.Locator](a, "locator"), who)
		return newEvidence(d.Tower.ID(), page), err
	},
}, {
	Name: "verify",
	About: "Check a receipt of any tower, in either dialect, or the evidence of a breach: who signed it, and whether it proves what it claims. " +
		"It needs no tower that runs.",
	Params: []Param{
		document("document", "The receipt or evidence, in JSON. The shell takes the name of a file that holds it, or - for standard input."),
		text("tower_id", "The tower's public key in hex, where the document does not have it.", 2*teos.UserIDSize),
	},
	Answer: func(_ context.Context, _ *Desk, a Args) (any, error) { return verify(a) },
	Local:  verify,
}}

func document(name, about string) Param {
	p := required(text(name, about, maxDocument))
	p.File = true
	return p
}

func verify(a Args) (any, error) {
	return proof.Verify([]byte(arg[string](a, "document")), arg[string](a, "tower_id"))
}

// Evidences is what breach answers.
type Evidences struct {
	Height   uint32     `json:"height"`
	Evidence []Evidence `json:"evidence"`
	More     bool       `json:"more,omitempty"`
}

// Evidence is what a third party can check without trusting the tower. What is
// not known or not kept any more is left out.
type Evidence struct {
	TowerID string `json:"tower_id"`
	Dialect string `json:"dialect,omitempty"`
	Breach
	Appointment   *Appointment `json:"appointment,omitempty"`
	UserSignature string       `json:"user_signature,omitempty"`
	StartBlock    *uint32      `json:"start_block,omitempty"`
	Signature     string       `json:"signature,omitempty"`
	DisputeTx     string       `json:"dispute_tx,omitempty"`
	PenaltyTx     string       `json:"penalty_tx,omitempty"`
}

// Appointment is one as its user signed it.
type Appointment struct {
	Locator       string `json:"locator"`
	EncryptedBlob string `json:"encrypted_blob"`
	ToSelfDelay   uint32 `json:"to_self_delay"`
}

func newEvidence(id teos.UserID, page tower.EvidencePage) Evidences {
	body := Evidences{Height: page.Height, More: page.More, Evidence: []Evidence{}}
	for i := range page.Evidence {
		e := &page.Evidence[i]
		doc := Evidence{TowerID: id.String(), Breach: newBreach(&e.Breach, page.Height)}
		if e.Kept != nil {
			doc.add(e)
		}
		body.Evidence = append(body.Evidence, doc)
	}
	return body
}

func (doc *Evidence) add(e *tower.Evidence) {
	k := e.Kept
	doc.Dialect = k.Dialect.String()
	doc.Appointment = &Appointment{e.Locator.String(), hex.EncodeToString(k.EncryptedBlob), e.ToSelfDelay}
	doc.UserSignature, doc.StartBlock, doc.Signature = k.UserSignature.String(), &k.StartBlock, e.Receipt.String()
	doc.DisputeTx, doc.PenaltyTx = hex.EncodeToString(k.DisputeRaw), hex.EncodeToString(e.PenaltyRaw)
}
