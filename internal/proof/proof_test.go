package proof_test

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"vigil/internal/proof"
	"vigil/internal/teos"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/towertest"
)

var (
	tower   = towertest.Key(9)
	towerID = teos.NewUserID(tower.PubKey()).String()
)

type doc = map[string]any

// receipts are the documents of one user, as the HTTP API and the clients print
// them.
func registration(d teos.Dialect) doc {
	user := towertest.NewUser(1, d).ID()
	receipt := teos.RegistrationReceipt{User: user, Slots: 100, Start: 7, Expiry: 4327}
	return doc{
		"user_id": user.String(), "available_slots": 100, "subscription_start": 7, "subscription_expiry": 4327,
		"subscription_signature": teos.Sign(tower, receipt.Message(d)).String(),
	}
}

func evidence(d teos.Dialect) doc {
	user := towertest.NewUser(1, d)
	dispute := chaintest.Dispute(1)
	penalty := chaintest.Penalty(dispute, 0)
	a := user.Appointment(dispute, penalty)
	receipt := teos.AppointmentReceipt{UserSignature: teos.Sign(user.Key, a.Message()), StartBlock: 11}
	return doc{
		"tower_id": towerID, "dialect": d.String(), "user_id": user.ID().String(), "state": "resolved",
		"locator": a.Locator.String(), "to_self_delay": a.ToSelfDelay,
		"appointment":    doc{"locator": a.Locator.String(), "encrypted_blob": hex.EncodeToString(a.EncryptedBlob), "to_self_delay": a.ToSelfDelay},
		"user_signature": receipt.UserSignature.String(), "start_block": receipt.StartBlock,
		"signature":    teos.Sign(tower, receipt.Message(d)).String(),
		"dispute_txid": dispute.TxHash().String(), "dispute_tx": hex.EncodeToString(chaintest.Bytes(dispute)),
		"penalty_txid": penalty.TxHash().String(), "penalty_tx": hex.EncodeToString(chaintest.Bytes(penalty)),
		"spender_txid": penalty.TxHash().String(),
	}
}

// only returns some fields of a document.
func only(d doc, names ...string) doc {
	some := doc{}
	for _, name := range names {
		some[name] = d[name]
	}
	return some
}

// with returns a document with other fields besides; one that is nil is gone.
func with(d doc, fields doc) doc {
	other := maps.Clone(d)
	for name, value := range fields {
		if other[name] = value; value == nil {
			delete(other, name)
		}
	}
	return other
}

func verify(t *testing.T, document any, towerID string) proof.Report {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	v, err := proof.Verify(text, towerID)
	if err != nil || len(v.Documents) != 1 || v.OK != v.Documents[0].OK {
		t.Fatalf("%+v, %v", v, err)
	}
	return v.Documents[0]
}

// outcome is which checks came out how: "ok blob locator; not ok outcome".
func outcome(r proof.Report) string {
	var parts []string
	for _, result := range []proof.Result{proof.OK, proof.NotOK, proof.NotChecked} {
		var names []string
		for _, c := range r.Checks {
			if c.Says == "" {
				names = append(names, "(says nothing)")
			}
			if c.Result == result {
				names = append(names, c.Check)
			}
		}
		if slices.Sort(names); names != nil {
			parts = append(parts, string(result)+": "+strings.Join(names, " "))
		}
	}
	return strings.Join(parts, "; ")
}

func TestReceipts(t *testing.T) {
	v1, v2 := registration(teos.V1), registration(teos.V2)
	e1, e2 := evidence(teos.V1), evidence(teos.V2)
	receipt := only(e2, "user_signature", "start_block", "signature") // getappointmentreceipt
	const signed = "ok: tower_signature"
	const both = "ok: tower_signature user_signature"
	for name, c := range map[string]struct {
		document doc
		towerID  string
		want     string
	}{
		"getregistrationreceipt":              {v2, towerID, signed},
		"registration of v1":                  {v1, towerID, signed},
		"registration of v1, as v1 prints it": {with(v1, doc{"user_id": nil, "subscription_start": nil, "public_key": v1["user_id"]}), towerID, signed},
		"registration, tower unknown":         {v2, "", "not checked: tower_signature"},
		"registration, tower inside":          {with(v2, doc{"tower_id": towerID}), "", signed},
		"registration of another tower":       {v2, evidence(teos.V1)["user_id"].(string), "not ok: tower_signature"},
		"registration with more slots":        {with(v2, doc{"available_slots": 101}), towerID, "not ok: tower_signature"},
		"registration of v2 as one of v1":     {with(v2, doc{"dialect": "v1"}), towerID, "not ok: tower_signature"},
		"registration without slots":          {with(v2, doc{"available_slots": nil}), towerID, "not checked: tower_signature"},
		"registration without signature":      {with(v2, doc{"subscription_signature": nil}), towerID, "not checked: tower_signature"},
		"registration of no key":              {with(v2, doc{"user_id": "02"}), towerID, "not ok: tower_signature"},
		"getappointmentreceipt":               {receipt, towerID, "ok: tower_signature; not checked: user_signature"},
		"the same, tower unknown":             {receipt, "", "not checked: tower_signature user_signature"},
		"a misbehaving proof": {doc{"locator": e2["locator"], "appointment_receipt": receipt}, towerID,
			"ok: tower_signature; not checked: user_signature"},
		"with its appointment": {with(receipt, doc{"appointment": e2["appointment"]}), towerID,
			"ok: tower_signature; not checked: user_signature"},
		"with its user": {with(receipt, doc{"appointment": e2["appointment"], "user_id": e2["user_id"]}), towerID, both},
		"with its parts": {with(receipt, doc{"user_id": e2["user_id"], "locator": e2["locator"], "to_self_delay": e2["to_self_delay"],
			"encrypted_blob": e2["appointment"].(doc)["encrypted_blob"]}), towerID, both},
		"of v1": {with(only(e1, "user_signature", "start_block", "signature"), doc{"appointment": e1["appointment"], "user_id": e1["user_id"]}),
			towerID, both},
		"an answer to add_appointment": {with(only(e2, "locator", "start_block", "signature"),
			doc{"available_slots": 99, "subscription_expiry": 4327}), towerID, "not checked: tower_signature"},
		"without its start":  {with(receipt, doc{"start_block": nil}), towerID, "not checked: tower_signature user_signature"},
		"with another start": {with(receipt, doc{"start_block": 12}), towerID, "not ok: tower_signature; not checked: user_signature"},
		"its tower unknown, all else right": {with(receipt, doc{"appointment": e2["appointment"], "user_id": e2["user_id"]}), "",
			"ok: user_signature; not checked: tower_signature"},
		"no signature":      {with(receipt, doc{"signature": "yy"}), towerID, "not ok: tower_signature; not checked: user_signature"},
		"no user signature": {with(receipt, doc{"user_signature": "yy"}), towerID, "not ok: user_signature"},
	} {
		t.Run(name, func(t *testing.T) {
			r := verify(t, c.document, c.towerID)
			if got := outcome(r); got != c.want || r.OK != strings.HasPrefix(got, "ok: tower_signature") {
				t.Errorf("%s, in all %t, want %s: %+v", got, r.OK, c.want, r)
			}
		})
	}
}

const whole = "blob dispute_tx locator outcome penalty_scripts penalty_spends_dispute penalty_tx tower_signature user_signature"

// without leaves names out of the list of all checks.
func without(names ...string) string {
	all := slices.DeleteFunc(strings.Fields(whole), func(n string) bool { return slices.Contains(names, n) })
	return "ok: " + strings.Join(all, " ")
}

func TestEvidence(t *testing.T) {
	stranger := towertest.NewUser(3, teos.V2)
	for _, d := range []teos.Dialect{teos.V1, teos.V2} {
		good := evidence(d)
		other := chaintest.Dispute(2)
		a := good["appointment"].(doc)
		rival := chaintest.Penalty(chaintest.Dispute(1), 7)
		for name, c := range map[string]struct {
			change doc
			want   string
		}{
			"whole":               {nil, without()},
			"dialect unknown":     {doc{"dialect": nil}, without()},
			"another tower":       {doc{"tower_id": stranger.ID().String()}, without("tower_signature") + "; not ok: tower_signature"},
			"another receipt":     {doc{"start_block": 12}, without("tower_signature") + "; not ok: tower_signature"},
			"another user":        {doc{"user_id": stranger.ID().String()}, without("user_signature") + "; not ok: user_signature"},
			"another delay":       {doc{"appointment": with(a, doc{"to_self_delay": 1})}, without("user_signature") + "; not ok: appointment user_signature"},
			"another locator":     {doc{"appointment": with(a, doc{"locator": strings.Repeat("00", 16)})}, without("user_signature", "locator") + "; not ok: appointment locator user_signature"},
			"another dispute":     {doc{"dispute_tx": hex.EncodeToString(chaintest.Bytes(other))}, without("dispute_tx", "penalty_scripts") + "; not ok: dispute_tx; not checked: penalty_scripts"},
			"no dispute":          {doc{"dispute_tx": nil}, without("dispute_tx", "penalty_scripts") + "; not checked: dispute_tx penalty_scripts"},
			"another penalty":     {doc{"penalty_tx": hex.EncodeToString(chaintest.Bytes(rival))}, without("penalty_tx") + "; not ok: penalty_tx"},
			"another penalty id":  {doc{"penalty_txid": other.TxHash().String()}, without() + "; not ok: penalty_txid"},
			"another spender":     {doc{"spender_txid": rival.TxHash().String()}, without("outcome") + "; not ok: outcome"},
			"admitted":            {doc{"spender_txid": rival.TxHash().String(), "state": "lost"}, without()},
			"a loss that was not": {doc{"state": "lost"}, without("outcome") + "; not ok: outcome"},
			"pending":             {doc{"spender_txid": nil, "state": "pending"}, without("outcome")},
			"another blob": {doc{"appointment": with(a, doc{"encrypted_blob": "00"})},
				"ok: dispute_tx locator tower_signature; not ok: blob user_signature"},
			"no blob kept": {doc{"appointment": nil},
				"ok: dispute_tx locator tower_signature; not checked: blob user_signature"},
			"no user":                {doc{"user_id": nil}, without("user_signature") + "; not checked: user_signature"},
			"another delay outside":  {doc{"to_self_delay": 1}, without() + "; not ok: appointment"},
			"another locator beside": {doc{"locator": strings.Repeat("00", 16)}, without() + "; not ok: appointment"},
			"no such dialect":        {doc{"dialect": "v3"}, without() + "; not ok: dialect"},
			"no transaction id":      {doc{"dispute_txid": "00"}, "ok: tower_signature user_signature; not ok: dispute_tx"},
		} {
			t.Run(d.String()+" "+name, func(t *testing.T) {
				r := verify(t, with(good, c.change), "")
				tied := !strings.Contains(outcome(r), "not checked: blob") && !strings.Contains(outcome(r), "not checked: user_signature")
				if got := outcome(r); got != c.want || r.OK != (tied && !strings.Contains(got, "not ok")) || r.Kind != "evidence" {
					t.Errorf("%s, in all %t, want %s: %+v", got, r.OK, c.want, r)
				}
			})
		}
	}
}

// TestTransactionsOfAnotherAppointmentAccuseNobody: a real receipt beside a dispute
// and a penalty that it is not for.
func TestTransactionsOfAnotherAppointmentAccuseNobody(t *testing.T) {
	d := evidence(teos.V2)
	dispute := chaintest.Dispute(2)
	penalty := chaintest.Penalty(dispute, 0)
	forged := with(d, doc{
		"appointment": nil, "locator": nil, "to_self_delay": nil, "state": "lost",
		"dispute_txid": dispute.TxHash().String(), "dispute_tx": hex.EncodeToString(chaintest.Bytes(dispute)),
		"penalty_txid": penalty.TxHash().String(), "penalty_tx": hex.EncodeToString(chaintest.Bytes(penalty)),
		"spender_txid": strings.Repeat("11", 32),
	})
	r := verify(t, forged, "")
	if got := outcome(r); r.OK || got != "ok: dispute_tx tower_signature; not checked: blob locator user_signature" {
		t.Errorf("%s, in all %t", got, r.OK)
	}
}

// TestTheTowerThatIsAskedFor: a document of another one is not its.
func TestTheTowerThatIsAskedFor(t *testing.T) {
	other := towertest.NewUser(3, teos.V2).ID().String()
	for id, want := range map[string]string{towerID: without(), strings.ToUpper(towerID): without(), other: without() + "; not ok: tower_id"} {
		if got := outcome(verify(t, evidence(teos.V2), id)); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if _, err := proof.Verify([]byte("{}"), "zz"); err == nil || !strings.Contains(err.Error(), "tower_id") {
		t.Errorf("no key: %v", err)
	}
}

func TestAPenaltyThatIsNotSignedAsItMustBe(t *testing.T) {
	dispute := chaintest.Dispute(1)
	penalty := chaintest.Penalty(dispute, 0)
	penalty.TxOut[0].Value = dispute.TxOut[0].Value + 1
	user := towertest.NewUser(1, teos.V2)
	a := user.Appointment(dispute, penalty)
	d := with(evidence(teos.V2), doc{"penalty_tx": nil, "penalty_txid": nil, "spender_txid": nil,
		"user_signature": teos.Sign(user.Key, a.Message()).String(), "signature": nil,
		"appointment": doc{"locator": a.Locator.String(), "encrypted_blob": hex.EncodeToString(a.EncryptedBlob), "to_self_delay": a.ToSelfDelay}})
	want := without("penalty_scripts", "outcome", "penalty_tx", "tower_signature") + "; not ok: penalty_scripts; not checked: tower_signature"
	if got := outcome(verify(t, d, "")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestManyDocumentsAtOnce(t *testing.T) {
	good, bad := evidence(teos.V1), with(evidence(teos.V2), doc{"start_block": 0})
	for name, c := range map[string]struct {
		document any
		ok       bool
	}{
		"as vigil-breach answers": {doc{"height": 5, "evidence": []doc{good, good}}, true},
		"a list":                  {[]doc{good, registration(teos.V2)}, true},
		"one of them bad":         {[]doc{good, bad}, false},
	} {
		text, err := json.Marshal(c.document)
		if err != nil {
			t.Fatal(err)
		}
		v, err := proof.Verify(text, towerID)
		if err != nil || len(v.Documents) != 2 || v.OK != c.ok {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

func TestWhatIsNoDocument(t *testing.T) {
	many := "[" + strings.Repeat(`{"dispute_txid":"00"},`, 1000) + "{}]"
	for text, cause := range map[string]teos.Cause{
		"": teos.NotJSON, "hello": teos.NotJSON, `"text"`: teos.NotJSON, "7": teos.NotJSON,
		"{}": teos.FieldMissing, `{"locator":"00"}`: teos.FieldMissing, `[{}]`: teos.FieldMissing,
		`{"start_block":-1}`: teos.WrongType, `{"signature":7}`: teos.WrongType, many: teos.TooLarge,
	} {
		_, err := proof.Verify([]byte(text), "")
		if e := teos.AsError(err); err == nil || e.Cause != cause {
			t.Errorf("%.30q: %v, cause %d", text, err, e.Cause)
		}
	}
}

// TestWhatIsNoDocumentIsSaidInWords, not in those of a JSON decoder; and where there
// is nothing to verify, none of it is in disorder.
func TestWhatIsNoDocumentIsSaidInWords(t *testing.T) {
	for text, want := range map[string]string{
		"[]": "there is nothing to verify", `{"evidence":[]}`: "there is nothing to verify", "null": "there is nothing to verify",
		"": "it is empty", "hello": "it is not JSON", `{"signature":`: "it is not JSON",
		"[1,2]": "an object in JSON", `"x"`: "an object in JSON", "true": "an object in JSON", `[{},[]]`: "an object in JSON",
		`{"evidence":7}`:                `its "evidence" can't be a number`,
		`{"evidence":{"a":1}}`:          `its "evidence" can't be an object`,
		`{"signature":7}`:               `its "signature" can't be a number`,
		`{"appointment":["x"]}`:         `its "appointment" can't be a list`,
		`{"available_slots":-1}`:        `its "available_slots" can't be -1`,
		`{"appointment":{"locator":1}}`: `its "locator" can't be a number`,
		`[{"dispute_tx":true}]`:         `its "dispute_tx" can't be true or false`,
	} {
		_, err := proof.Verify([]byte(text), "")
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		if said := err.Error(); !strings.Contains(said, want) || strings.Contains(said, "json:") || strings.Contains(said, "Go ") {
			t.Errorf("%s: %s", text, said)
		}
	}
}

func FuzzVerify(f *testing.F) {
	for _, d := range []any{evidence(teos.V1), registration(teos.V2), []doc{evidence(teos.V2)}} {
		text, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := proof.Verify(text, towerID)
		if err != nil {
			return
		}
		for _, r := range v.Documents {
			if len(r.Checks) == 0 || v.OK && !r.OK {
				t.Errorf("%+v", r)
			}
		}
	})
}
