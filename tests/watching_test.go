package tests

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vigil/internal/teos"
	"vigil/tests/harness"
)

// TestMetricsTellWhatHappened: requests, an appointment, a breach and its penalty, a
// backend that goes away and comes back.
func TestMetricsTellWhatHappened(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		admin := harness.Admin(s, s.tower)
		s.ready(admin, http.StatusOK, "guarding\n")
		user := s.user(teos.V2)
		b := s.watched(user)
		bad := harness.NewUser(s, teos.V2, s.tower.HTTP())
		_, err := bad.Add(s.Context(), b.appointment)
		s.wantCode(err, codeAuth, teos.V2)
		s.measured(admin, map[string]float64{
			`vigil_users`: 1, `vigil_appointments`: 1, `vigil_stored_bytes`: float64(len(b.appointment.EncryptedBlob)),
			`vigil_guarding`: 1, `vigil_up`: 1, `vigil_blocks_behind`: 0,
			`vigil_height`: float64(s.node.Height()), `vigil_source_height`: float64(s.node.Height()),
			`vigil_requests_total{door="http",method="register",outcome="ok"}`:                     1,
			`vigil_requests_total{door="http",method="add_appointment",outcome="ok"}`:              1,
			`vigil_requests_total{door="http",method="add_appointment",outcome="unauthenticated"}`: 1,
			`vigil_request_duration_seconds_count{door="http",method="add_appointment"}`:           2,
			`vigil_breaches{state="pending"}`:                                                      0,
			`vigil_broadcasts_total{outcome="accepted",reason=""}`:                                 0,
		})
		before := s.metrics(admin)
		s.cheat(b)
		s.answered(b)
		s.measured(admin, map[string]float64{
			`vigil_breaches{state="pending"}`: 1, `vigil_broadcasts_total{outcome="accepted",reason=""}`: 1,
			`vigil_blocks_processed_total`: before[`vigil_blocks_processed_total`] + 1,
		})
		s.confirmed(b)
		s.measured(admin, map[string]float64{`vigil_breaches{state="pending"}`: 0, `vigil_breaches{state="confirmed"}`: 1})
		after := s.metrics(admin)
		for _, name := range []string{"vigil_commit_batch_size_count", "vigil_commit_duration_seconds_count", "vigil_block_duration_seconds_count"} {
			if after[name] <= before[name] {
				s.Errorf("%s was %v and is %v", name, before[name], after[name])
			}
		}
		if after.Sum("vigil_source_calls_total", `call="block"`, `outcome="ok"`) < 2 || after["vigil_last_block_processed_timestamp_seconds"] < 1e9 {
			s.Errorf("of the blocks is told %v", after)
		}
		s.outage(admin)
	})
}

// outage takes the backend away and gives it back.
func (s *scene) outage(admin harness.AdminDoor) {
	s.Helper()
	s.node.Stop()
	s.ready(admin, http.StatusServiceUnavailable, "not guarding: the chain can't be followed\n")
	s.measured(admin, map[string]float64{`vigil_guarding`: 0, `vigil_source_failing`: 1, `vigil_up`: 1})
	// bcli keeps a call for a minute where bitcoind goes away in the middle of it.
	harness.Until(s, "a call of the backend to fail", func() bool {
		return s.metrics(admin).Sum("vigil_source_calls_total", `outcome="failed"`) > 0
	})
	if status, body, err := admin.Get(s.Context(), "/healthz"); err != nil || status != http.StatusOK {
		s.Errorf("/healthz without a backend: %d %q, %v", status, body, err)
	}
	s.node.Start()
	s.ready(admin, http.StatusOK, "guarding\n")
	s.measured(admin, map[string]float64{`vigil_guarding`: 1, `vigil_source_failing`: 0})
}

// ready waits until /readyz says something.
func (s *scene) ready(admin harness.AdminDoor, status int, text string) {
	s.Helper()
	harness.Until(s, "/readyz to say "+text, func() bool {
		got, body, err := admin.Get(s.Context(), "/readyz")
		return err == nil && got == status && body == text
	})
}

func (s *scene) metrics(admin harness.AdminDoor) harness.Metrics {
	s.Helper()
	m, err := admin.Metrics(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return m
}

// measured waits until /metrics has these values: some are a second old at most.
func (s *scene) measured(admin harness.AdminDoor, want map[string]float64) {
	s.Helper()
	var wrong []string
	ok := harness.Eventually(s.Context(), harness.Patience, func() bool {
		got := s.metrics(admin)
		wrong = nil
		for key, value := range want {
			if there, found := got[key]; !found || there != value {
				wrong = append(wrong, key)
			}
		}
		return len(wrong) == 0
	})
	if !ok {
		got := s.metrics(admin)
		for _, key := range wrong {
			s.Errorf("%s is %v, want %v", key, got[key], want[key])
		}
		s.FailNow()
	}
}

// TestARefusedPenaltyIsMeasured: why, and how long it may still be tried.
func TestARefusedPenaltyIsMeasured(t *testing.T) {
	onEveryTower(t, nil, func(s *scene) {
		admin := harness.Admin(s, s.tower)
		b := s.watched(s.user(teos.V2))
		s.refuse(b)
		s.measured(admin, map[string]float64{
			`vigil_breaches{state="refused"}`: 1, `vigil_breaches{state="pending"}`: 0,
			`vigil_refused_breach_blocks_left`: float64(b.appointment.ToSelfDelay) - 1,
		})
		m := s.metrics(admin)
		known := m.Sum("vigil_broadcasts_total", `outcome="refused"`, `reason="conflict"`) + m.Sum("vigil_broadcasts_total", `outcome="refused"`, `reason="inputs"`)
		if all := m.Sum("vigil_broadcasts_total", `outcome="refused"`); all == 0 || all != known {
			s.Errorf("%v refusals, of which %v are put where they belong: %v", all, known, m)
		}
	})
}

// refuse lets the node refuse a penalty: a rival is in its mempool.
func (s *scene) refuse(b breach) {
	s.Helper()
	rival := s.node.Wallet.Rival(b.dispute)
	s.node.MustSend(b.dispute)
	s.node.MustSend(rival)
	s.cheat(b)
	s.settle()
	s.responded(b)
}

// TestABusyAdminPortHarmsNothing: two towers on one machine may want the same.
func TestABusyAdminPortHarmsNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	for _, variant := range harness.Variants()[:2] {
		t.Run(variant.Name, func(t *testing.T) {
			s := newScene(t, variant, harness.Options{"admin-bind": taken.Addr().String()})
			b := s.watched(s.user(teos.V2))
			info := s.info()
			if info.Admin != "" || !info.Guarding || len(info.Warnings) != 1 || !strings.Contains(info.Warnings[0], "free "+taken.Addr().String()) {
				s.Errorf("vigil-info: %+v", info)
			}
			s.cheat(b)
			s.answered(b)
		})
	}
	s := newScene(t, harness.Variants()[1], harness.Options{"admin-bind": taken.Addr().String()})
	taken.Close()
	if admin := harness.Admin(s, s.tower); !strings.HasSuffix(string(admin), taken.Addr().String()) {
		s.Errorf("the port is free, and %s is served", admin)
	}
	if info := s.info(); slices.ContainsFunc(info.Warnings, func(w string) bool { return strings.Contains(w, "status page") }) {
		s.Errorf("served, and still a warning: %v", info.Warnings)
	}
}

// TestNoAdminAddress: off is off, and no cause for a warning.
func TestNoAdminAddress(t *testing.T) {
	s, _ := inStandIn(t, harness.Options{"admin-bind": "off"})
	if info := s.info(); info.Admin != "" || len(info.Warnings) != 0 {
		s.Errorf("vigil-info: %+v", info)
	}
}

// TestTheAdminAddressOutlivesTheTower: where the tower in a node can't start, its
// admin address says why.
func TestTheAdminAddressOutlivesTheTower(t *testing.T) {
	t.Parallel()
	s := &scene{T: t, node: harness.StartNode(t, harness.Btcd())}
	address := harness.FreeAddress(t)
	harness.StartLightningd(t, s.node, harness.Vigil(t), map[string]any{"vigil-data-dir": "/dev/null/vigil", "vigil-admin-bind": address})
	admin := harness.AdminDoor("http://" + address)
	for _, path := range []string{"/healthz", "/readyz"} {
		harness.Until(s, path+" to say why", func() bool {
			status, body, err := admin.Get(s.Context(), path)
			return err == nil && status == http.StatusServiceUnavailable && strings.Contains(body, "make the data directory")
		})
	}
	if m := s.metrics(admin); m["vigil_up"] != 0 || m["vigil_guarding"] != 0 || !m.Has("vigil_build_info") || m.Has("vigil_height") {
		s.Errorf("without a tower /metrics has %v", m)
	}
}
