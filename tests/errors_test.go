package tests

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// maxBlob is the operator's limit in these tests, in bytes.
const maxBlob = 4096

// row is a line of the protocol page's table of errors: a request that breaks
// one rule, and how it must be refused. 0 as a code leaves it open.
type row struct {
	name     string
	endpoint string
	body     any // marshalled, unless it is a []byte
	v1, v2   int
	status   int
}

// fields is a request that may be changed in one place.
type fields map[string]any

// with returns a copy with another value; missing takes the field away.
func (f fields) with(name string, value any) fields {
	changed := maps.Clone(f)
	changed[name] = value
	if value == missing {
		delete(changed, name)
	}
	return changed
}

const missing = "\x00missing"

// rows start from a request whose every part is in order.
func rows(user *harness.Client) []row {
	whole := fields(user.SignedAppointment(teos.Appointment{
		Locator: teos.Locator{1}, EncryptedBlob: make([]byte, 300), ToSelfDelay: 20}))
	inner := fields(whole["appointment"].(map[string]any))
	add := func(name string, value any) fields { return whole.with("appointment", inner.with(name, value)) }
	return append(registerRows(user), []row{
		{"not JSON", "add_appointment", []byte("{"), -65, 6, 400},
		{"empty body", "add_appointment", []byte(""), -65, 6, 400},
		{"an array", "get_appointment", []byte("[]"), -65, 6, 400},
		{"a string", "get_subscription_info", []byte(`"x"`), -65, 6, 400},
		{"two values", "add_appointment", []byte(`{} {}`), -65, 6, 400},

		{"no appointment", "add_appointment", whole.with("appointment", missing), -1, 1, 400},
		{"appointment null", "add_appointment", whole.with("appointment", nil), -1, 1, 400},
		{"appointment a string", "add_appointment", whole.with("appointment", "x"), -7, 3, 400},
		{"appointment an array", "add_appointment", whole.with("appointment", []int{}), -7, 3, 400},

		{"no locator", "add_appointment", add("locator", missing), -1, 1, 400},
		{"locator null", "add_appointment", add("locator", nil), -1, 1, 400},
		{"no delay", "add_appointment", add("to_self_delay", missing), -1, 1, 400},
		{"no blob", "add_appointment", add("encrypted_blob", missing), -1, 1, 400},
		{"no signature", "add_appointment", whole.with("signature", missing), -1, 1, 400},
		{"no locator to get", "get_appointment", fields{"signature": "x"}, -1, 1, 400},
		{"no signature to ask", "get_subscription_info", fields{}, -1, 1, 400},

		{"locator empty", "add_appointment", add("locator", ""), -3, 2, 400},
		{"blob empty", "add_appointment", add("encrypted_blob", ""), -4, 2, 400},
		{"signature empty", "add_appointment", whole.with("signature", ""), 0, 2, 400},

		{"locator a number", "add_appointment", add("locator", 1), -2, 3, 400},
		{"delay a string", "add_appointment", add("to_self_delay", "20"), -2, 3, 400},
		{"delay a bool", "add_appointment", add("to_self_delay", true), -2, 3, 400},
		{"delay 20.0", "add_appointment", add("to_self_delay", json.Number("20.0")), -2, 3, 400},
		{"delay 2e1", "add_appointment", add("to_self_delay", json.Number("2e1")), -2, 3, 400},
		{"blob an array", "add_appointment", add("encrypted_blob", []int{1}), -2, 3, 400},
		{"signature an object", "add_appointment", whole.with("signature", fields{}), -2, 3, 400},

		{"locator of 15 bytes", "add_appointment", add("locator", strings.Repeat("00", 15)), -3, 4, 400},
		{"locator of 17 bytes", "get_appointment", fields{"locator": strings.Repeat("00", 17), "signature": "x"}, -3, 4, 400},
		{"locator no hex", "add_appointment", add("locator", strings.Repeat("zz", 16)), -4, 5, 400},
		{"locator odd", "add_appointment", add("locator", strings.Repeat("0", 31)), -4, 5, 400},
		{"blob no hex", "add_appointment", add("encrypted_blob", strings.Repeat("0g", 300)), -4, 5, 400},
		{"blob odd", "add_appointment", add("encrypted_blob", strings.Repeat("0", 601)), -4, 5, 400},

		{"delay 19", "add_appointment", add("to_self_delay", 19), -5, 33, 400},
		{"delay 0", "add_appointment", add("to_self_delay", 0), -5, 33, 400},
		{"delay negative", "add_appointment", add("to_self_delay", -1), -5, 33, 400},
		{"delay 2^32", "add_appointment", add("to_self_delay", int64(1)<<32), -6, 34, 400},
		{"delay 10^30", "add_appointment", add("to_self_delay", json.Number("1"+strings.Repeat("0", 30))), -6, 34, 400},
		{"blob too small", "add_appointment", add("encrypted_blob", "00"), -5, 33, 400},
		{"blob over the limit", "add_appointment", add("encrypted_blob", strings.Repeat("00", maxBlob+1)), -6, 34, 413},
		{"body over the limit", "add_appointment", add("encrypted_blob", strings.Repeat("00", 1<<20)), -6, 34, 413},

		{"locator before the rest", "add_appointment", add("locator", "").with("signature", missing), -3, 2, 400},
	}...)
}

func registerRows(user *harness.Client) []row {
	key := user.ID.String()
	return []row{
		{"no key", "register", fields{}, -33, 1, 400},
		{"public_key null", "register", fields{"public_key": nil}, -33, 1, 400},
		{"user_id null", "register", fields{"user_id": nil}, -33, 1, 400},
		{"user_id empty", "register", fields{"user_id": ""}, -33, 2, 400},
		{"public_key empty", "register", fields{"public_key": ""}, -33, 2, 400},
		{"user_id a number", "register", fields{"user_id": 2}, -2, 3, 400},
		{"user_id of 32 bytes", "register", fields{"user_id": key[:64]}, -34, 4, 400},
		{"public_key of 34 bytes", "register", fields{"public_key": key + "00"}, -34, 4, 400},
		{"public_key no hex", "register", fields{"public_key": "zz" + key[2:]}, -34, 5, 400},
		{"public_key not on the curve", "register", fields{"public_key": "02" + strings.Repeat("ff", 32)}, -34, 5, 400},
		{"user_id uncompressed prefix", "register", fields{"user_id": "04" + key[2:]}, -34, 5, 400},
	}
}

// TestTableOfErrors sends every request that can be refused before its user is
// known, to towers that speak either dialect's codes to strangers.
func TestTableOfErrors(t *testing.T) {
	for _, dialect := range dialects {
		t.Run(dialect.String(), func(t *testing.T) {
			options := harness.Options{"codes": dialect.String(), "max-blob-size": maxBlob}
			onEveryTower(t, options, func(s *scene) {
				stranger := harness.NewUser(s, dialect, s.tower.HTTP())
				for _, row := range rows(stranger) {
					for name, door := range s.doors() {
						s.checkRow(row, dialect, name, door)
					}
				}
				s.checkHTTPOnly(stranger, dialect)
			})
		})
	}
}

// checkRow demands the code, and over HTTP the status and a JSON body. What
// can't come by RPC is left out: there is no body that is not JSON, and what
// lightning-cli took for a number is the text that was typed.
func (s *scene) checkRow(r row, dialect teos.Dialect, name string, door harness.Door) {
	s.Helper()
	if _, isRaw := r.body.([]byte); name == "rpc" && (isRaw || r.name == "user_id a number") {
		return
	}
	answer, err := door.Ask(s.Context(), r.endpoint, r.body)
	if err != nil {
		s.Errorf("%s, %s: %v", r.name, name, err)
		return
	}
	want := codes{r.v1, r.v2}.of(dialect)
	if name == "http" {
		s.checkStatus(r.name, answer, r.status)
	}
	s.checkCode(r.name+", "+name, answer, want)
}

func (s *scene) checkStatus(name string, answer harness.Answer, status int) {
	s.Helper()
	if answer.Status != status {
		s.Errorf("%s: status %d, want %d: %s", name, answer.Status, status, answer.Body)
	}
	if kind := answer.Header.Get("Content-Type"); kind != "application/json" {
		s.Errorf("%s: content type %q", name, kind)
	}
}

func (s *scene) checkCode(name string, answer harness.Answer, want int) {
	s.Helper()
	var body struct {
		Error     string `json:"error"`
		ErrorCode int    `json:"error_code"`
	}
	if err := json.Unmarshal(answer.Body, &body); err != nil || body.Error == "" || body.ErrorCode == 0 {
		s.Errorf("%s: body %.200q (%v)", name, answer.Body, err)
	} else if want != 0 && body.ErrorCode != want {
		s.Errorf("%s: error_code %d (%s), want %d", name, body.ErrorCode, body.Error, want)
	}
}

// checkHTTPOnly: what is wrong before there is a request of the protocol.
func (s *scene) checkHTTPOnly(stranger *harness.Client, dialect teos.Dialect) {
	s.Helper()
	notJSON := codes{-65, 6}.of(dialect)
	whole, err := json.Marshal(map[string]any{"user_id": stranger.ID.String()})
	if err != nil {
		s.Fatal(err)
	}
	for _, wrong := range []struct {
		name, verb, path, contentType string
		status                        int
	}{
		{"text/plain", http.MethodPost, "register", "text/plain", 400},
		{"no content type", http.MethodPost, "register", "", 400},
		{"GET", http.MethodGet, "register", "application/json", 405},
		{"no such endpoint", http.MethodPost, "nothing", "application/json", 404},
		{"the root", http.MethodGet, "", "application/json", 404},
	} {
		answer, err := s.tower.HTTP().Send(s.Context(), wrong.verb, wrong.path, wrong.contentType, whole)
		if err != nil {
			s.Errorf("%s: %v", wrong.name, err)
			continue
		}
		s.checkStatus(wrong.name, answer, wrong.status)
		s.checkCode(wrong.name, answer, notJSON)
	}
	for _, fine := range []string{"application/json; charset=utf-8", "application/vnd.tower+json"} {
		answer, err := s.tower.HTTP().Send(s.Context(), http.MethodPost, "register", fine, whole)
		if err != nil || answer.Status != http.StatusOK {
			s.Errorf("content type %q: %d %s, %v", fine, answer.Status, answer.Body, err)
		}
	}
}

// TestErrorsOfAKnownUser: once the user is known, status and code are those of
// the user's dialect, whatever the operator chose for strangers.
func TestErrorsOfAKnownUser(t *testing.T) {
	onEveryTower(t, harness.Options{"codes": "v1"}, func(s *scene) {
		for _, dialect := range dialects {
			user := s.user(dialect)
			for name, door := range s.doors() {
				s.checkKnown(user.At(door), name)
			}
		}
	})
}

func (s *scene) checkKnown(user *harness.Client, name string) {
	s.Helper()
	unknown := teos.Locator{9}
	short := teos.Appointment{Locator: unknown, EncryptedBlob: make([]byte, 300), ToSelfDelay: 1}
	refusals := []struct {
		request, endpoint string
		body              any
		codes             codes
		statuses          codes
	}{
		{"not found", "get_appointment", user.GetRequest(unknown), codes{36, 36}, codes{404, 404}},
		{"delay too small", "add_appointment", user.SignedAppointment(short), codes{-5, 33}, codes{400, 400}},
	}
	for _, r := range refusals {
		answer, err := user.Door().Ask(s.Context(), r.endpoint, r.body)
		if err != nil {
			s.Fatalf("%s, %s: %v", r.request, name, err)
		}
		s.checkCode(r.request, answer, r.codes.of(user.Dialect))
		if name != "http" {
			continue
		}
		s.checkStatus(r.request, answer, r.statuses.of(user.Dialect))
		if r.request == "not found" && user.Dialect == teos.V1 {
			s.checkNotFoundV1(answer, unknown)
		}
	}
}

// checkNotFoundV1: clients of v1 read locator and status.
func (s *scene) checkNotFoundV1(answer harness.Answer, l teos.Locator) {
	s.Helper()
	var body struct{ Locator, Status string }
	if err := json.Unmarshal(answer.Body, &body); err != nil || body.Status != "not_found" || body.Locator != l.String() {
		s.Errorf("not found, in v1: %s", answer.Body)
	}
}

// TestStrangersAreNotAuthenticated: who never registered, or signs another
// message, is told to register; nothing is stored.
func TestStrangersAreNotAuthenticated(t *testing.T) {
	for _, dialect := range dialects {
		t.Run(dialect.String(), func(t *testing.T) {
			onEveryTower(t, harness.Options{"codes": dialect.String()}, func(s *scene) {
				stranger := harness.NewUser(s, dialect, s.tower.HTTP())
				b := s.prepared(stranger)
				_, err := stranger.Add(s.Context(), b.appointment)
				s.wantAuth(err, dialect)
				_, err = stranger.Info(s.Context())
				s.wantAuth(err, dialect)
				if _, err = stranger.Get(s.Context(), b.appointment.Locator); err == nil {
					s.Fatal("a stranger got an appointment")
				}
				s.settle()
				if info := s.info(); info.Users != 0 || info.Appointments != 0 {
					s.Fatalf("a stranger left something behind: %+v", info)
				}
				s.checkTampered(s.user(dialect), dialect)
			})
		})
	}
}

func (s *scene) wantAuth(err error, dialect teos.Dialect) {
	s.Helper()
	s.wantCode(err, codeAuth, dialect)
	if refusal := err.(*harness.Refusal); refusal.Status != (codes{400, 401}).of(dialect) {
		s.Fatalf("status %d", refusal.Status)
	}
}

// checkTampered sends what a user signed with one thing changed after.
func (s *scene) checkTampered(user *harness.Client, dialect teos.Dialect) {
	s.Helper()
	body := user.SignedAppointment(s.prepared(user).appointment)
	body["appointment"].(map[string]any)["to_self_delay"] = 21
	answer, err := user.Door().Ask(s.Context(), "add_appointment", body)
	if err != nil {
		s.Fatal(err)
	}
	s.checkCode("tampered", answer, codeAuth.of(dialect))
	if n := len(s.subscription(user).Locators); n != 0 {
		s.Fatalf("a tampered request left %d appointments", n)
	}
}

// TestRegistrationThatOverflows is refused, and nothing changes.
func TestRegistrationThatOverflows(t *testing.T) {
	onEveryTower(t, harness.Options{"subscription-slots": int64(1<<32 - 1)}, func(s *scene) {
		for _, dialect := range dialects {
			user := s.user(dialect)
			before := s.subscription(user)
			_, err := user.Register(s.Context())
			s.wantCode(err, codes{-34, 65}, dialect)
			if after := s.subscription(user); after.Slots != before.Slots || after.Expiry != before.Expiry {
				s.Fatalf("before the refusal %+v, after it %+v", before, after)
			}
		}
	})
}
