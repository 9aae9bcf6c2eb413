package watchroom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/chain/chaintest"
	"vigil/internal/tower/towertest"
)

// wantLines demands lines of /metrics.
func (r *room) wantLines(lines ...string) {
	r.t.Helper()
	body := "\n" + r.get("/metrics").body
	for _, line := range lines {
		if !strings.Contains(body, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			var like []string
			for other := range strings.SplitSeq(body, "\n") {
				if strings.HasPrefix(other, name) {
					like = append(like, other)
				}
			}
			r.t.Errorf("/metrics lacks %s; it has\n%s", line, strings.Join(like, "\n"))
		}
	}
}

// TestOutcomes: each cause has a word, and those that are ours can be told from those
// that are a client's.
func TestOutcomes(t *testing.T) {
	if got := outcome(nil); got != "ok" {
		t.Errorf("a success is %q", got)
	}
	words := map[teos.Cause]string{
		teos.AuthenticationFailed: "unauthenticated", teos.NoSlots: "no_slots", teos.SubscriptionOver: "expired",
		teos.AlreadyTriggered: "triggered", teos.NotFound: "not_found", teos.NoEndpoint: "not_found", teos.WrongMethod: "not_found",
		teos.RegistrationRefused: "refused", teos.Unavailable: "unavailable", teos.TooMany: "busy", teos.Internal: "failed",
	}
	for cause := teos.NotJSON; cause <= teos.WrongMethod; cause++ {
		want := words[cause]
		if want == "" {
			want = "malformed"
		}
		if got := outcome(fmt.Errorf("around: %w", teos.Errorf(cause, "why"))); got != want {
			t.Errorf("cause %d is %q, want %q", cause, got, want)
		}
	}
	if got := outcome(errors.New("a defect")); got != "failed" {
		t.Errorf("what has no cause is %q", got)
	}
}

// TestReasonsOfRefusals: what bitcoind (policy.cpp, validation.cpp) and btcd
// (mempool.go) say.
func TestReasonsOfRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"sendrawtransaction: error -25: bad-txns-inputs-missingorspent":                                  "inputs",
		"sendrawtransaction: error -25: Missing inputs":                                                  "inputs",
		"sendrawtransaction: error -26: -22: orphan transaction 12 references outputs of unknown":        "inputs",
		"sendrawtransaction: error -26: min relay fee not met, 110 < 198":                                "fee",
		"sendrawtransaction: error -26: mempool min fee not met, 110 < 500":                              "fee",
		"sendrawtransaction: error -26: insufficient fee, rejecting replacement 12; new feerate too low": "conflict",
		"sendrawtransaction: error -26: txn-mempool-conflict":                                            "conflict",
		"sendrawtransaction: error -26: mandatory-script-verify-flag-failed (Invalid Schnorr signature)": "script",
		"sendrawtransaction: error -27: Transaction outputs already in utxo set":                         "known",
		"sendrawtransaction: error -26: non-BIP68-final":                                                 "not_final",
		"sendrawtransaction: error -26: dust":                                                            "not_standard",
		"the store's copy of the penalty is damaged":                                                     "damaged",
		"sendrawtransaction: error -1: <script>alert(1)</script> whatever else a node may find to say 漢": "script",
		"":              "other",
		"something new": "other",
	} {
		if outcome, got := answered(errors.New(text)); outcome != "refused" || got != want {
			t.Errorf("%q is %s, %s, want refused, %s", text, outcome, got, want)
		}
	}
	for _, err := range []error{
		&net.OpError{Op: "dial", Err: errors.New("refused")}, context.DeadlineExceeded, io.EOF, fmt.Errorf("read: %w", io.ErrUnexpectedEOF),
	} {
		if outcome, got := answered(err); outcome != "failed" || got != "unreachable" {
			t.Errorf("%v is %s, %s", err, outcome, got)
		}
	}
}

// TestStrangersMakeNoSeries: however much they say, the number of series is bounded.
func TestStrangersMakeNoSeries(t *testing.T) {
	r := open(t, Config{})
	r.metrics.Request(HTTP, "", nil, 0)
	r.metrics.Broadcast(errors.New("other"))
	before := strings.Count(r.get("/metrics").body, "\nvigil_")
	for range 1000 {
		text := fmt.Sprintf("%x\"}\n", rand.Uint64())
		r.metrics.Request(HTTP, text, nil, 0)
		r.metrics.Broadcast(errors.New(text + "zz"))
	}
	if after := strings.Count(r.get("/metrics").body, "\nvigil_"); after != before {
		t.Errorf("%d series became %d", before, after)
	}
	r.wantLines(`vigil_requests_total{door="http",method="other",outcome="ok"} 1001`)
}

func TestRequestsAreCounted(t *testing.T) {
	r := open(t, Config{})
	r.metrics.Request(HTTP, "add_appointment", nil, 3*time.Millisecond)
	r.metrics.Request(RPC, "info", nil, 0)
	r.metrics.Request(Socket, "AddAppointment", teos.Errorf(teos.NoSlots, "no"), 0)
	r.metrics.Throttled(HTTP, "register", 2*time.Second)
	r.wantLines(
		`vigil_requests_total{door="http",method="add_appointment",outcome="ok"} 1`,
		`vigil_requests_total{door="rpc",method="info",outcome="ok"} 1`,
		`vigil_requests_total{door="socket",method="add_appointment",outcome="no_slots"} 1`,
		`vigil_requests_total{door="http",method="register",outcome="throttled"} 1`,
		`vigil_request_duration_seconds_bucket{door="http",method="add_appointment",le="0.0025"} 0`,
		`vigil_request_duration_seconds_bucket{door="http",method="add_appointment",le="0.005"} 1`,
		`vigil_request_duration_seconds_sum{door="http",method="register"} 2`,
		`vigil_build_info{version="test"} 1`,
	)
}

// TestBackendsAreCounted: an answer that is no is no failure of theirs.
func TestBackendsAreCounted(t *testing.T) {
	r, c := open(t, Config{}), chaintest.New()
	c.MineEmpty(2)
	s := r.metrics.Source("bitcoind", c)
	down := &net.OpError{Op: "dial", Err: errors.New("refused")}
	_, _ = s.Tip(t.Context())
	c.Fail(chaintest.TipCall, 1, down)
	_, _ = s.Tip(t.Context())
	_, _ = s.Block(t.Context(), 9)
	c.Fail(chaintest.PublishCall, 1, errors.New("dust"))
	_ = s.Publish(t.Context(), chaintest.Bytes(chaintest.Dispute(1)))
	c.Fail(chaintest.PublishCall, 1, down)
	_ = s.Publish(t.Context(), chaintest.Bytes(chaintest.Dispute(1)))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	c.Stall(chaintest.TipCall, 1)
	_, _ = s.Tip(gone)
	r.wantLines(
		`vigil_source_calls_total{call="tip",outcome="ok",source="bitcoind"} 1`,
		`vigil_source_calls_total{call="tip",outcome="failed",source="bitcoind"} 1`,
		`vigil_source_calls_total{call="block",outcome="missing",source="bitcoind"} 1`,
		`vigil_source_calls_total{call="publish",outcome="refused",source="bitcoind"} 1`,
		`vigil_source_calls_total{call="publish",outcome="failed",source="bitcoind"} 1`,
		`vigil_source_call_duration_seconds_count{call="tip",source="bitcoind"} 2`,
	)
}

// TestTheStoreIsCounted: commits by size, and failures of the disk, not refusals.
func TestTheStoreIsCounted(t *testing.T) {
	r := open(t, Config{})
	r.wantLines(`vigil_store_errors_total{kind="full",operation="write"} 0`)
	s := r.metrics.Store(towertest.Open(t, towertest.File(t)))
	if err := s.Update(t.Context(), func(tx tower.Tx) error { return tx.SetIdentity("a", "b") }); err != nil {
		t.Fatal(err)
	}
	fail := func(err error) {
		t.Helper()
		if got := s.Update(t.Context(), func(tower.Tx) error { return err }); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
		if got := s.View(t.Context(), func(tower.Tx) error { return err }); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
	fail(teos.Errorf(teos.NoSlots, "no"))
	fail(fmt.Errorf("%w: %w", tower.ErrStore, tower.ErrFull))
	fail(fmt.Errorf("%w: %w", tower.ErrStore, tower.ErrDamaged))
	fail(tower.ErrStore)
	for _, kind := range []string{"full", "damaged", "other"} {
		r.wantLines(`vigil_store_errors_total{kind="`+kind+`",operation="write"} 1`, `vigil_store_errors_total{kind="`+kind+`",operation="read"} 1`)
	}
	r.metrics.Commit(1, 0)
	r.metrics.Commit(3, 0)
	r.wantLines(`vigil_commit_batch_size_bucket{le="1"} 1`, `vigil_commit_batch_size_bucket{le="4"} 2`, `vigil_commit_batch_size_sum 4`)
}

// TestBlocksAreCounted: those that were processed, and what a reorg undid.
func TestBlocksAreCounted(t *testing.T) {
	r, c := open(t, Config{}), chaintest.New()
	c.MineEmpty(3)
	core := tower.New(towertest.Key(1), towertest.Open(t, towertest.File(t)), tower.Terms{}, towertest.Quiet())
	f := r.metrics.Follow(core)
	if strings.Contains(r.get("/metrics").body, "vigil_last_block_processed_timestamp_seconds") {
		t.Error("a time of a block before there was one")
	}
	for _, step := range []struct {
		err  error
		fine bool
	}{
		{f.Connect(t.Context(), c.At(2)), false}, {f.Begin(t.Context(), c.At(1)), true}, {f.Connect(t.Context(), c.At(2)), true},
		{f.Disconnect(t.Context(), 1), true}, {f.Connect(t.Context(), c.At(2)), true},
	} {
		if (step.err == nil) != step.fine {
			t.Fatal(step.err)
		}
	}
	r.wantLines(`vigil_blocks_processed_total 3`, `vigil_reorgs_total 1`, `vigil_block_duration_seconds_count 3`)
	if !strings.Contains(r.get("/metrics").body, "\nvigil_last_block_processed_timestamp_seconds 1.") {
		t.Error("no time of the last block")
	}
}

// TestWhatTheTowerSaysIsMeasured: each number of vigil-info that a monitor wants.
func TestWhatTheTowerSaysIsMeasured(t *testing.T) {
	r, tower := open(t, Config{}), newFakeTower()
	tower.said["info"] = `{"guarding": false, "tower_id": "02aa", "network": "regtest", "height": 100, "source_height": 104,
		"blocks_behind": 4, "last_block_at": "1970-01-01T00:01:40Z", "source_error": "down", "store_error": "full",
		"blind": [{"from": 10, "to": 19}, {"from": 30, "to": 30}], "users": 2, "knocks": 4, "appointments": 3, "stored_bytes": 500,
		"disk_used_bytes": 7000, "disk_free_bytes": 9000, "trackers_pending": 5, "trackers_refused": 2, "refused_blocks_left": 17,
		"trackers_confirmed": 4, "trackers_rivalled": 1, "breaches_resolved": 6, "breaches_lost": 8,
		"started": "1970-01-01T00:00:50Z", "since": "1970-01-01T00:00:10Z", "warnings": ["a", "b", "c"], "warning_kinds": ["tor", "blind", "blind"],
		"entrances": [{"kind": "http", "open": true}, {"kind": "onion", "open": false}]}`
	r.Open(tower)
	r.wantLines("vigil_up 1", "vigil_guarding 0", `vigil_tower_info{network="regtest",tower_id="02aa"} 1`,
		"vigil_height 100", "vigil_source_height 104", "vigil_blocks_behind 4", "vigil_last_block_timestamp_seconds 100",
		"vigil_source_failing 1", "vigil_store_failing 1", "vigil_blind_blocks 11", "vigil_users 2", "vigil_knocks 4", "vigil_appointments 3",
		"vigil_stored_bytes 500", "vigil_disk_used_bytes 7000", "vigil_disk_free_bytes 9000",
		`vigil_breaches{state="pending"} 3`, `vigil_breaches{state="refused"} 2`, `vigil_breaches{state="confirmed"} 4`,
		`vigil_breaches{state="rivalled"} 1`, `vigil_breaches{state="resolved"} 6`, `vigil_breaches{state="lost"} 8`,
		"vigil_refused_breach_blocks_left 17", "vigil_started_timestamp_seconds 50", `vigil_warnings{kind="tor"} 1`, `vigil_warnings{kind="blind"} 2`, `vigil_warnings{kind="api"} 0`,
		`vigil_api_listening{entrance="http"} 1`, `vigil_api_listening{entrance="onion"} 0`)
	tower.set(func(f *fakeTower) { f.said["info"] = newFakeTower().said["info"] })
	r.info.forget()
	if body := r.get("/metrics").body; strings.Contains(body, "\nvigil_refused_breach_blocks_left ") {
		t.Error("blocks left of no refused breach")
	}
}

// TestEachBackendIsMeasured: of two, the one that fails; the only one as the chain is
// followed, or not.
func TestEachBackendIsMeasured(t *testing.T) {
	r, tower := open(t, Config{}), newFakeTower()
	say := func(more string) {
		tower.set(func(f *fakeTower) { f.said["info"] = `{"guarding": true, ` + more + `}` })
		r.info.forget()
	}
	say(`"backends": ["bitcoind", "lightningd"], "failing_backends": [{"name": "bitcoind", "error": "down"}]`)
	r.Open(tower)
	r.wantLines(`vigil_backend_failing{source="bitcoind"} 1`, `vigil_backend_failing{source="lightningd"} 0`)
	say(`"backends": ["bitcoind"]`)
	r.wantLines(`vigil_backend_failing{source="bitcoind"} 0`)
	say(`"backends": ["bitcoind"], "source_error": "down"`)
	r.wantLines(`vigil_backend_failing{source="bitcoind"} 1`)
}

// BenchmarkRequest is what counting adds to each add_appointment.
func BenchmarkRequest(b *testing.B) {
	m := NewMetrics("test")
	for b.Loop() {
		m.Request(HTTP, "add_appointment", nil, time.Millisecond)
		m.Commit(1, time.Millisecond)
	}
}
