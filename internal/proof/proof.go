package proof

import (
	"fmt"

	"vigil/internal/teos"
)

// Result of a check.
type Result string

// The results. What could not be checked counts for nothing: its words say what
// is missing.
const (
	OK         Result = "ok"
	NotOK      Result = "not ok"
	NotChecked Result = "not checked"
)

// Check is one question about a document, and the answer.
type Check struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	Says   string `json:"says"`
}

// Report is what was found out about one document.
type Report struct {
	// Kind is "registration receipt", "appointment receipt" or "evidence".
	Kind string `json:"kind"`
	// OK says that the tower's signature came out as ok, and no check as not ok.
	OK      bool    `json:"ok"`
	TowerID string  `json:"tower_id,omitempty"` // who signed as the tower
	UserID  string  `json:"user_id,omitempty"`
	Dialect string  `json:"dialect,omitempty"`
	Locator string  `json:"locator,omitempty"`
	Checks  []Check `json:"checks"`
}

func (r *Report) add(check string, result Result, format string, args ...any) {
	r.Checks = append(r.Checks, Check{check, result, fmt.Sprintf(format, args...)})
}

// Verdict is what was found out about all documents.
type Verdict struct {
	OK        bool     `json:"ok"`
	Documents []Report `json:"documents"`
}

// Verify checks a JSON document, or a list of them. Where a document does not
// name its tower, towerID does, unless that is "". It fails only where there is
// nothing to check.
func Verify(text []byte, towerID string) (Verdict, error) {
	docs, err := documents(text)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{OK: len(docs) > 0, Documents: []Report{}}
	for _, d := range docs {
		if d = d.normal(); d.TowerID == "" {
			d.TowerID = towerID
		}
		r, err := d.report()
		if err != nil {
			return Verdict{}, err
		}
		v.OK = v.OK && r.OK
		v.Documents = append(v.Documents, r)
	}
	return v, nil
}

func (d document) report() (Report, error) {
	r := Report{TowerID: d.TowerID, UserID: d.UserID, Dialect: d.Dialect, Locator: d.Locator}
	switch {
	case d.isRegistration():
		r.Kind = "registration receipt"
		d.checkRegistration(&r)
	case d.isEvidence():
		r.Kind = "evidence"
		d.checkReceipt(&r)
		d.checkBreach(&r)
	case d.Signature != "" || d.UserSignature != "":
		r.Kind = "appointment receipt"
		d.checkReceipt(&r)
	default:
		return r, teos.Errorf(teos.FieldMissing, "this is no receipt and no evidence: "+
			"a registration receipt has user_id and subscription_expiry, an appointment receipt user_signature, start_block and signature, evidence dispute_txid")
	}
	for _, c := range r.Checks {
		r.OK = r.OK || c.Check == towerSignature && c.Result == OK
	}
	for _, c := range r.Checks {
		r.OK = r.OK && c.Result != NotOK
	}
	return r, nil
}
