package proof

import (
	"fmt"
	"strings"

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
	// OK says that the tower's signature came out as ok, and no check as not ok;
	// of evidence, that its transactions are those of the receipt, too.
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

// Verify checks a JSON document, or a list of them. Where towerID is not "", they
// must be that tower's, whether they name it or not. It fails only where there is
// nothing to check, or towerID is no key.
func Verify(text []byte, towerID string) (Verdict, error) {
	if towerID != "" {
		id, err := teos.ParseUserID(towerID)
		if err != nil {
			return Verdict{}, teos.Errorf(teos.WrongType, "tower_id: %v", err)
		}
		towerID = id.String()
	}
	docs, err := documents(text)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{OK: len(docs) > 0, Documents: []Report{}}
	for _, d := range docs {
		r, err := d.normal().report(towerID)
		if err != nil {
			return Verdict{}, err
		}
		v.OK = v.OK && r.OK
		v.Documents = append(v.Documents, r)
	}
	return v, nil
}

func (d document) report(towerID string) (Report, error) {
	if d.TowerID == "" {
		d.TowerID = towerID
	}
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
	if towerID != "" && !strings.EqualFold(d.TowerID, towerID) {
		r.add("tower_id", NotOK, "this is a document of the tower %.70s, and not of %s", d.TowerID, towerID)
	}
	d.checkWords(&r)
	r.OK = r.proves(towerSignature)
	if d.isEvidence() {
		r.OK = r.proves(towerSignature, userSignature, "locator", "blob")
	}
	return r, nil
}

// proves tells whether all these checks came out as ok, and none as not ok.
func (r *Report) proves(checks ...string) bool {
	good := make(map[string]bool)
	for _, c := range r.Checks {
		if c.Result == NotOK {
			return false
		}
		good[c.Check] = c.Result == OK
	}
	for _, name := range checks {
		if !good[name] {
			return false
		}
	}
	return true
}

// checkWords holds against each other what is said twice, and what nobody signed
// against what it may be.
func (d document) checkWords(r *Report) {
	if d.Dialect != "" && d.Dialect != teos.V1.String() && d.Dialect != teos.V2.String() {
		r.add("dialect", NotOK, "there is no dialect %.20q", d.Dialect)
	}
	if d.contrary {
		r.add("appointment", NotOK, "the appointment and what stands beside it have another locator or to_self_delay")
	}
}
